import { ArnFormat, CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib'
import {
  Alarm,
  AlarmStatusWidget,
  type CfnAlarm,
  Dashboard,
  GraphWidget,
  type IWidget,
  MathExpression,
} from 'aws-cdk-lib/aws-cloudwatch'
import type { Construct } from 'constructs'
import { metricNamespace, METRICS } from '../../schemas/metrics.ts'
import { type Panel, PANELS } from '../../schemas/panels.ts'
import type { Settings } from '../settings.ts'

const PERIOD = Duration.minutes(1)
/** Of the 24 columns of a dashboard. */
const [HALF, WHOLE] = [12, 24]

/** Panels that this machine has no counterpart for: [title, metric, statistic]. */
const DATABASE = [
  ['Postgres: processor in use (%)', 'CPUUtilization', 'Average'],
  ['Postgres: connections', 'DatabaseConnections', 'Maximum'],
  ['Postgres: free storage (bytes)', 'FreeStorageSpace', 'Minimum'],
] as const

/**
 * One dashboard: which alarms ring, and the figures behind them. It finds metrics by search and alarms by name, so that no stack
 * depends on another for it: a new company, queue or function appears by itself.
 */
export class MonitoringStack extends Stack {
  constructor(scope: Construct, id: string, props: StackProps, settings: Settings, alarms: Alarm[]) {
    super(scope, id, props)
    const { stage } = settings
    const dashboard = new Dashboard(this, 'Dashboard', {
      dashboardName: `iot-telemetry-${stage}`,
      defaultInterval: Duration.hours(3),
      widgets: [
        [
          new AlarmStatusWidget({
            title: 'Alarms; each is a heading of docs/runbook.md',
            width: WHOLE,
            height: Math.ceil(alarms.length / 6) + 2,
            alarms: alarms.map((alarm, index) => this.#byName(alarm, index)),
          }),
        ],
        ...inPairs(PANELS.map((panel) => graph(panel.title, searches(panel, stage), panel.unit))),
        ...inPairs(
          DATABASE.map(([title, name, statistic]) =>
            graph(title, [search('AWS/RDS', ['DBInstanceIdentifier'], name, statistic, ofStage(stage))]),
          ),
        ),
      ],
    })
    new CfnOutput(this, 'DashboardName', { value: dashboard.dashboardName })
  }

  #byName(alarm: Alarm, index: number) {
    const { alarmName } = alarm.node.defaultChild as CfnAlarm
    const arn = this.formatArn({
      ...{ service: 'cloudwatch', resource: 'alarm', resourceName: alarmName! },
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    })
    return Alarm.fromAlarmArn(this, `Alarm${String(index)}`, arn)
  }
}

function inPairs(widgets: IWidget[]): IWidget[][] {
  return Array.from({ length: Math.ceil(widgets.length / 2) }, (_, row) => widgets.slice(2 * row, 2 * row + 2))
}

const graph = (title: string, expressions: string[], unit?: string) =>
  new GraphWidget({
    ...{ title, width: HALF, height: 6 },
    leftYAxis: { min: 0, ...(unit && { label: unit, showUnits: false }) },
    left: expressions.map((expression) => new MathExpression({ expression, label: '', period: PERIOD })),
  })

function searches({ of, statistic, perSecond }: Panel, stage: string): string[] {
  const seconds = PERIOD.toSeconds()
  return of.map((one) => {
    const found =
      typeof one === 'string'
        ? search(metricNamespace(stage), dimensionsOf(METRICS[one].by), one, statistic)
        : search(one.namespace, [one.dimension], one.name, statistic, ofStage(stage))
    return perSecond ? `${found} / ${String(seconds)}` : found
  })
}

const dimensionsOf = (by: string) => (by === 'service' ? ['service'] : ['service', by])

/** What CloudFormation names in a stack of the stage has these words in its name. */
const ofStage = (stage: string) => `iot telemetry ${stage}`

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html */
function search(namespace: string, dimensions: string[], name: string, statistic: string, words = ''): string {
  const schema = [`"${namespace}"`, ...dimensions].join(',')
  return `SEARCH('{${schema}} MetricName="${name}" ${words}', '${statistic}', ${String(PERIOD.toSeconds())})`
}
