import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { METRICS, type MetricName } from '../../../schemas/metrics.ts'
import { PANELS } from '../../../schemas/panels.ts'
import { houseFunctions, resource, resources, synthesize } from './templates.ts'

const lambdas = join(import.meta.dirname, '../../../lambdas')
const sources = readdirSync(lambdas, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(join(lambdas, file), 'utf8'))
  .join('\n')

describe.each(['dev', 'prod'])('the dashboard of %s', (stage) => {
  const templates = synthesize({ stage })
  const { properties } = resource<{ DashboardName: string; DashboardBody: unknown }>(
    templates,
    'AWS::CloudWatch::Dashboard',
  )
  const parts = (properties.DashboardBody as { 'Fn::Join': [string, unknown[]] })['Fn::Join'][1]
  const { widgets } = JSON.parse(parts.map((part) => (typeof part === 'string' ? part : '-')).join('')) as {
    widgets: { type: string; properties: { title: string; alarms?: string[]; metrics?: [{ expression: string }][] } }[]
  }
  const expressions = (title: string) =>
    widgets
      .find((widget) => widget.properties.title === title)!
      .properties.metrics!.map(([{ expression }]) => expression)

  it('shows each alarm of the stage', () => {
    const named = resources<{ AlarmName: string }>(templates, 'AWS::CloudWatch::Alarm').map(
      (alarm) => alarm.properties.AlarmName,
    )
    const { alarms = [] } = widgets.find(({ type }) => type === 'alarm')!.properties
    expect(alarms.map((arn) => arn.split(':alarm:')[1]).toSorted()).toEqual(named.toSorted())
    expect(alarms.length).toBeLessThanOrEqual(100) // AWS: of one widget
  })

  it('shows messages per second and gateways offline of each tenant, and errors of each consumer by code', () => {
    expect(expressions('Messages per second, by tenant')).toEqual([
      `SEARCH('{"IotTelemetry/${stage}",service,tenant} MetricName="MessagesStored" ', 'Sum', 60) / 60`,
    ])
    expect(expressions('Gateways offline, by tenant')[0]).toContain('service,tenant} MetricName="GatewaysOffline"')
    expect(expressions('Refused messages, by consumer and code')[0]).toContain(
      'service,errorCode} MetricName="DeadLetters"',
    )
    expect(expressions('Failed invocations, by function')[0]).toContain(`MetricName="Errors" iot telemetry ${stage}`)
  })

  it('asks for metrics under the namespace in which the functions count them', () => {
    const namespaces = Object.values(houseFunctions(templates)).map(
      (one) => one.properties.Environment!.Variables.POWERTOOLS_METRICS_NAMESPACE,
    )
    expect(new Set(namespaces)).toEqual(new Set([`IotTelemetry/${stage}`]))
  })
})

it.each(Object.keys(METRICS) as MetricName[])('%s is counted by a function and has its panel', (name) => {
  expect(sources).toMatch(new RegExp(`'${name}'`))
  expect(PANELS.flatMap(({ of }) => of)).toContain(name)
})
