import type { Duration } from 'aws-cdk-lib'
import { Alarm, ComparisonOperator, type IMetric, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import type { Construct } from 'constructs'
import { metricNamespace, type MetricName, METRICS } from '../../schemas/metrics.ts'
import type { Settings } from '../settings.ts'

interface Watched {
  heading: string
  description: string
  metric: IMetric
  /** How many of the metric's periods in a row. */
  periods?: number
}

/** It rings when the metric reaches a limit, or falls below it. */
export type AlarmProps = Watched & ({ atLeast: number; below?: never } | { below: number; atLeast?: never })

/** An alarm whose name is a heading of docs/runbook.md, followed by the stage. */
export function alarm(
  scope: Construct,
  id: string,
  { stage }: Settings,
  { heading, description, metric, atLeast, below, periods = 1 }: AlarmProps,
): Alarm {
  return new Alarm(scope, id, {
    alarmName: `${heading} [${stage}]`,
    alarmDescription: `${description} See "${heading}" in docs/runbook.md.`,
    metric,
    threshold: atLeast ?? below,
    comparisonOperator:
      below === undefined
        ? ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
        : ComparisonOperator.LESS_THAN_THRESHOLD,
    evaluationPeriods: periods,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  })
}

/** A metric of the product's own, as the first of the functions counts it that do. */
export const houseMetric = ({ stage }: Settings, metricName: MetricName, statistic: string, period: Duration): Metric =>
  new Metric({
    ...{ namespace: metricNamespace(stage), metricName, statistic, period },
    dimensionsMap: { service: METRICS[metricName].services[0] },
  })
