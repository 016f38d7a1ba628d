import * as v from 'valibot'
import { METRICS } from '../../schemas/metrics.ts'
import type { Assembly } from '../assembly/assembly.ts'
import { type Expression, parseExpression } from './metric-math.ts'
import type { MetricId, Statistic } from './metric-store.ts'

/** One metric with its statistic: what an alarm compares, or what its metric math is made of. */
export interface Query {
  metric: MetricId
  statistic: Statistic
}

export interface AlarmSettings {
  name: string
  description: string
  periodMs: number
  /** How many periods are looked at, and how many of them must breach. */
  evaluationPeriods: number
  datapointsToAlarm: number
  breaches: (value: number) => boolean
  /** What the template writes for that: `>= 1`. */
  condition: string
  treatMissingData: keyof typeof MISSING_DATA
  /** By id. */
  queries: Record<string, Query>
  value: Expression
}

/** What a missing point counts as; `undefined`: as no point at all. */
export const MISSING_DATA = { breaching: true, notBreaching: false, ignore: undefined, missing: undefined } as const

const COMPARISONS = {
  GreaterThanOrEqualToThreshold: ['>=', (value: number, threshold: number) => value >= threshold],
  GreaterThanThreshold: ['>', (value: number, threshold: number) => value > threshold],
  LessThanOrEqualToThreshold: ['<=', (value: number, threshold: number) => value <= threshold],
  LessThanThreshold: ['<', (value: number, threshold: number) => value < threshold],
} as const

const STATISTICS = ['Sum', 'Average', 'Minimum', 'Maximum', 'SampleCount'] as const satisfies Statistic[]
/** Shorter ones are for high resolution metrics, of which there are none. */
const Period = v.pipe(v.number(), v.multipleOf(60), v.maxValue(86_400))
const Dimensions = v.optional(v.array(v.strictObject({ Name: v.string(), Value: v.string() })), [])
const Metric = v.strictObject({ Namespace: v.string(), MetricName: v.string(), Dimensions })
const Actions = v.optional(v.pipe(v.array(v.string()), v.maxLength(5)))

/** A property that is not here is refused: it would change when the alarm rings. */
const AlarmProperties = v.strictObject({
  AlarmName: v.pipe(v.string(), v.maxLength(255)),
  AlarmDescription: v.pipe(v.string(), v.maxLength(1024)),
  ActionsEnabled: v.optional(v.literal(true)),
  AlarmActions: Actions,
  OKActions: Actions,
  InsufficientDataActions: Actions,
  ComparisonOperator: v.picklist(Object.keys(COMPARISONS) as (keyof typeof COMPARISONS)[]),
  Threshold: v.number(),
  EvaluationPeriods: v.pipe(v.number(), v.integer(), v.minValue(1)),
  DatapointsToAlarm: v.optional(v.number()),
  TreatMissingData: v.optional(v.picklist(Object.keys(MISSING_DATA) as (keyof typeof MISSING_DATA)[]), 'missing'),
  Namespace: v.optional(v.string()),
  MetricName: v.optional(v.string()),
  Dimensions,
  Statistic: v.optional(v.picklist(STATISTICS)),
  Period: v.optional(Period),
  Metrics: v.optional(
    v.array(
      v.strictObject({
        Id: v.string(),
        Label: v.optional(v.string()),
        Expression: v.optional(v.string()),
        MetricStat: v.optional(v.strictObject({ Metric, Period, Stat: v.picklist(STATISTICS) })),
        ReturnData: v.optional(v.boolean(), true),
      }),
    ),
  ),
  Tags: v.optional(v.unknown()),
})
type AlarmProperties = v.InferOutput<typeof AlarmProperties>

/** Of AWS's own metrics those that this cloud makes, with the dimension that they have. */
const MADE_HERE: Record<string, { names: string[]; dimension: Exclude<keyof Named, 'service'> }> = {
  'AWS/RDS': { names: ['FreeStorageSpace'], dimension: 'DBInstanceIdentifier' },
  'AWS/Lambda': { names: ['Duration', 'Errors', 'Invocations'], dimension: 'FunctionName' },
  'AWS/SQS': {
    names: [
      'ApproximateAgeOfOldestMessage',
      'ApproximateNumberOfMessagesNotVisible',
      'ApproximateNumberOfMessagesVisible',
      'NumberOfMessagesDeleted',
      'NumberOfMessagesReceived',
      'NumberOfMessagesSent',
    ],
    dimension: 'QueueName',
  },
}

/** The alarms of the templates. Throws, naming the alarm, at what this cloud does not know, and at a metric that nothing ever counts. */
export function readAlarms(assembly: Pick<Assembly, 'resources' | 'ref' | 'attribute'>): AlarmSettings[] {
  const resources = (type: string, name: string) =>
    assembly.resources(type).map((one) => String(name === '' ? assembly.ref(one) : assembly.attribute(one, name)))
  const named: Named = {
    service: servicesOf(assembly),
    DBInstanceIdentifier: resources('AWS::RDS::DBInstance', ''),
    FunctionName: resources('AWS::Lambda::Function', ''),
    QueueName: resources('AWS::SQS::Queue', 'QueueName'),
  }
  return assembly.resources('AWS::CloudWatch::Alarm').map(({ logicalId, properties }) => {
    const parsed = v.safeParse(AlarmProperties, properties)
    if (!parsed.success)
      throw new Error(`local/ does not understand the alarm ${logicalId}: ${v.summarize(parsed.issues)}`)
    const settings = settingsOf(logicalId, parsed.output)
    for (const { metric } of Object.values(settings.queries)) checkThatItComes(settings.name, metric, named)
    return settings
  })
}

interface Named {
  /** Namespace and service of each function, as its variables say. */
  service: string[]
  DBInstanceIdentifier: string[]
  FunctionName: string[]
  QueueName: string[]
}

const Variables = v.looseObject({
  POWERTOOLS_METRICS_NAMESPACE: v.optional(v.string()),
  POWERTOOLS_SERVICE_NAME: v.optional(v.string()),
})

const servicesOf = (assembly: Pick<Assembly, 'resources'>) =>
  assembly.resources('AWS::Lambda::Function').map(({ properties }) => {
    const { Variables: variables = {} } = (properties.Environment ?? {}) as { Variables?: unknown }
    const { POWERTOOLS_METRICS_NAMESPACE: namespace, POWERTOOLS_SERVICE_NAME: service } = v.parse(Variables, variables)
    return `${String(namespace)} ${String(service)}`
  })

function settingsOf(logicalId: string, properties: AlarmProperties): AlarmSettings {
  const { ComparisonOperator, Threshold, EvaluationPeriods, DatapointsToAlarm, TreatMissingData } = properties
  const [sign, compare] = COMPARISONS[ComparisonOperator]
  return {
    name: properties.AlarmName,
    description: properties.AlarmDescription,
    evaluationPeriods: EvaluationPeriods,
    datapointsToAlarm: DatapointsToAlarm ?? EvaluationPeriods,
    breaches: (value) => compare(value, Threshold),
    condition: `${sign} ${String(Threshold)}`,
    treatMissingData: TreatMissingData,
    ...(properties.Metrics ? mathOf(logicalId, properties.Metrics) : singleOf(logicalId, properties)),
  }
}

type Compared = Pick<AlarmSettings, 'periodMs' | 'queries' | 'value'>

function singleOf(
  logicalId: string,
  { Namespace, MetricName, Dimensions, Statistic, Period }: AlarmProperties,
): Compared {
  if (Namespace === undefined || MetricName === undefined || Statistic === undefined || Period === undefined)
    throw new Error(`The alarm ${logicalId} needs Namespace, MetricName, Statistic and Period, or Metrics`)
  const metric = idOf({ Namespace, MetricName, Dimensions })
  return { periodMs: Period * 1000, queries: { m: { metric, statistic: Statistic } }, value: ({ m }) => m }
}

function mathOf(logicalId: string, metrics: NonNullable<AlarmProperties['Metrics']>): Compared {
  const queries: Record<string, Query> = {}
  const periods = new Set<number>()
  for (const { Id, MetricStat } of metrics) {
    if (!MetricStat) continue
    queries[Id] = { metric: idOf(MetricStat.Metric), statistic: MetricStat.Stat }
    periods.add(MetricStat.Period)
  }
  const returned = metrics.filter(({ ReturnData }) => ReturnData)
  const [only] = returned
  if (returned.length !== 1 || only?.Expression === undefined || periods.size !== 1)
    throw new Error(`The alarm ${logicalId} must return one expression, over metrics of one period`)
  return { periodMs: [...periods][0]! * 1000, queries, value: parseExpression(only.Expression) }
}

const idOf = ({ Namespace, MetricName, Dimensions }: v.InferOutput<typeof Metric>): MetricId => ({
  namespace: Namespace,
  name: MetricName,
  dimensions: Object.fromEntries(Dimensions.map(({ Name, Value }) => [Name, Value])),
})

function checkThatItComes(alarm: string, metric: MetricId, named: Named): void {
  const refuse = (why: string): never => {
    throw new Error(`The alarm "${alarm}" would never ring: ${why}.`)
  }
  const names = Object.keys(metric.dimensions)
  const { service } = metric.dimensions
  if (service !== undefined) {
    const declared = Object.entries(METRICS).find(([name]) => name === metric.name)?.[1]
    if (!declared) return refuse(`schemas/metrics.ts has no ${metric.name}`)
    const expected = declared.by === 'service' ? ['service'] : ['service', declared.by]
    if (names.length !== expected.length || !expected.every((name) => names.includes(name)))
      return refuse(`${metric.name} has the dimensions ${expected.join(', ')}`)
    const services: readonly string[] = declared.services
    if (!services.includes(service)) return refuse(`${service} does not count ${metric.name}`)
    if (!named.service.includes(`${metric.namespace} ${service}`)) refuse(`no ${service} counts in ${metric.namespace}`)
    return
  }
  const made = MADE_HERE[metric.namespace]
  if (!made?.names.includes(metric.name)) return refuse(`local/ does not make ${metric.namespace} ${metric.name}`)
  const target = metric.dimensions[made.dimension]
  if (names.length !== 1 || target === undefined)
    return refuse(`${metric.name} has the dimension ${made.dimension} only`)
  if (!named[made.dimension].includes(target)) refuse(`there is no ${target}`)
}
