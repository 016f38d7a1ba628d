/**
 * EMF: log lines that CloudWatch turns into metrics.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
import * as v from 'valibot'

export interface DataPoint {
  namespace: string
  name: string
  /** In the order in which they were declared. */
  dimensions: Record<string, string>
  /** Epoch ms. */
  at: number
  values: number[]
}

const EmfLine = v.looseObject({
  _aws: v.object({
    Timestamp: v.number(),
    CloudWatchMetrics: v.array(
      v.object({
        Namespace: v.string(),
        Dimensions: v.array(v.pipe(v.array(v.string()), v.maxLength(30))),
        Metrics: v.pipe(v.array(v.object({ Name: v.string(), Unit: v.optional(v.string()) })), v.maxLength(100)),
      }),
    ),
  }),
})
const Values = v.pipe(
  v.union([v.number(), v.array(v.number())]),
  v.transform((values) => [values].flat()),
  v.maxLength(100),
)
const DimensionValue = v.pipe(v.string(), v.minLength(1), v.maxLength(1024))

/** The points of a line; `undefined` when it is no EMF document. Throws for one that CloudWatch would not take. */
export function readEmf(line: string): DataPoint[] | undefined {
  if (!line.startsWith('{') || !line.includes('"_aws"')) return undefined
  const document = v.parse(EmfLine, JSON.parse(line))
  return document._aws.CloudWatchMetrics.flatMap(({ Namespace: namespace, Dimensions, Metrics }) =>
    Metrics.flatMap(({ Name: name }) => {
      const values = v.parse(Values, document[name])
      return Dimensions.map((names) => ({
        ...{ namespace, name, values, at: document._aws.Timestamp },
        dimensions: Object.fromEntries(names.map((one) => [one, v.parse(DimensionValue, document[one])])),
      }))
    }),
  )
}
