import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Assembly } from '../../../local/assembly/assembly.ts'
import { Alarm, type AlarmState } from '../../../local/cloudwatch/alarm.ts'
import { readEmf } from '../../../local/cloudwatch/emf.ts'
import { parseExpression } from '../../../local/cloudwatch/metric-math.ts'
import { MetricStore } from '../../../local/cloudwatch/metric-store.ts'
import { PrometheusText } from '../../../local/cloudwatch/prometheus-text.ts'
import { type AlarmSettings, readAlarms } from '../../../local/cloudwatch/read-alarms.ts'
import { synthesizeInto } from '../cdk/templates.ts'

const line = (values: number | number[]) =>
  JSON.stringify({
    _aws: {
      Timestamp: 1,
      CloudWatchMetrics: [
        {
          Namespace: 'IotTelemetry/dev',
          Dimensions: [['service', 'tenant']],
          Metrics: [{ Name: 'MessagesStored', Unit: 'Count' }],
        },
      ],
    },
    service: 'ingest',
    tenant: 'gra"nix',
    MessagesStored: values,
  })

describe('EMF', () => {
  it('is shown as Prometheus text', () => {
    const text = new PrometheusText()
    for (const point of [line(3), line([2, 5])].flatMap((one) => readEmf(one)!)) text.add(point)
    expect(readEmf('{"level":"INFO"}')).toBeUndefined()
    const labels = '{service="ingest",tenant="gra\\"nix"}'
    expect(text.toString().split('\n')).toEqual([
      '# TYPE iot_telemetry_messages_stored_total counter',
      `iot_telemetry_messages_stored_total${labels} 10`,
      '# TYPE iot_telemetry_messages_stored_samples_total counter',
      `iot_telemetry_messages_stored_samples_total${labels} 3`,
      '# TYPE iot_telemetry_messages_stored_last gauge',
      `iot_telemetry_messages_stored_last${labels} 5`,
      '',
    ])
  })

  it('throws for a document that CloudWatch would not take', () => {
    expect(() => readEmf('{"_aws":{"CloudWatchMetrics":[{}]}}')).toThrow()
    expect(() => readEmf(line(Array<number>(101).fill(1)))).toThrow('length')
  })
})

const MINUTE_MS = 60_000
const metric = { namespace: 'IotTelemetry', name: 'LateMessages', dimensions: { service: 'ingest' } }

/** The state of an alarm over what came in each minute, the newest last; `-`: nothing. */
function stateAfter(minutes: string, settings: Partial<AlarmSettings> = {}, earlier: AlarmState = 'OK'): AlarmState {
  const store = new MetricStore()
  const points = minutes.split(' ')
  for (const [minute, value] of points.entries())
    if (value !== '-') store.add({ ...metric, at: minute * MINUTE_MS, values: [Number(value)] })
  const alarm = new Alarm({
    ...{ name: 'late', description: '', periodMs: MINUTE_MS, evaluationPeriods: 3, datapointsToAlarm: 3 },
    ...{ breaches: (value) => value >= 5, condition: '>= 5', treatMissingData: 'notBreaching' },
    queries: { m: { metric, statistic: 'Sum' } },
    value: ({ m }) => m,
    ...settings,
  })
  alarm.state = earlier
  alarm.evaluate(store, points.length * MINUTE_MS)
  return alarm.state
}

describe('an alarm', () => {
  it('rings when as many of its periods breach as it asks for', () => {
    expect(stateAfter('0 5 5 5')).toBe('ALARM')
    expect(stateAfter('5 5 5 0')).toBe('OK')
    expect(stateAfter('5 0 5', { datapointsToAlarm: 2 })).toBe('ALARM')
  })

  it('judges the points that there are, when there are enough of them, and fills in what is missing otherwise', () => {
    expect(stateAfter('5 5 - 5 -')).toBe('ALARM')
    expect(stateAfter('- - - 5 5')).toBe('OK')
    expect(stateAfter('- - - 5 5', { treatMissingData: 'breaching' })).toBe('ALARM')
    expect(stateAfter('- - - - -', { treatMissingData: 'breaching' })).toBe('ALARM')
    expect(stateAfter('- - - - -', { treatMissingData: 'missing' })).toBe('INSUFFICIENT_DATA')
    expect(stateAfter('- - - - -', { treatMissingData: 'ignore' }, 'ALARM')).toBe('ALARM')
    expect(stateAfter('- - - 5 5', { treatMissingData: 'ignore' }, 'OK')).toBe('OK')
  })

  it('takes its statistic over whole periods', () => {
    const hour = { periodMs: 3 * MINUTE_MS, evaluationPeriods: 1, datapointsToAlarm: 1 }
    expect(stateAfter('9 2 2 2', hour)).toBe('ALARM')
    for (const [statistic, state] of [
      ['Minimum', 'OK'],
      ['Maximum', 'ALARM'],
      ['Average', 'ALARM'],
      ['SampleCount', 'OK'],
    ] as const)
      expect(stateAfter('0 7 9', { ...hour, queries: { m: { metric, statistic } } }), statistic).toBe(state)
  })
})

it('understands metric math as far as the templates use it, and refuses the rest by name', () => {
  const stuck = parseExpression('IF(waiting + hidden > 0 AND FILL(stored, 0) == 0, 1, 0)')
  expect(stuck({ waiting: 1, hidden: 0, stored: undefined })).toBe(1)
  expect(stuck({ waiting: 0, hidden: 2, stored: 1 })).toBe(0)
  expect(stuck({ waiting: undefined, hidden: 2, stored: 0 })).toBeUndefined()
  expect(parseExpression('(a - 1) / 2 * 3')({ a: 5 })).toBe(6)
  for (const [text, refused] of [
    ['RATE(m)', 'RATE'],
    ['m1 AND', 'the end'],
    ['m[0]', '['],
    ['IF(a, b)', 'IF(a, b)'],
  ] as const)
    expect(() => parseExpression(text)).toThrow(refused)
})

describe('the alarms of the templates', () => {
  const folder = mkdtempSync(join(tmpdir(), 'alarms-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  synthesizeInto(folder, { 'aws:cdk:bundling-stacks': [] })
  const assembly = Assembly.read(folder, {
    queueUrl: (name) => `http://127.0.0.1/000000000000/${name}`,
    ...{ database: { host: '', port: 5432 }, redis: { host: '', port: 6379 } },
    secret: () => '{"password":"none"}',
  })
  /** One of them with other properties. */
  const readWith = (prefix: string, changed: Record<string, unknown>) => {
    const [alarm] = assembly
      .resources('AWS::CloudWatch::Alarm')
      .filter(({ properties }) => String(properties.AlarmName).startsWith(prefix))
    const only: Parameters<typeof readAlarms>[0] = {
      ref: (one) => assembly.ref(one),
      attribute: (one, name) => assembly.attribute(one, name),
      resources: (type) =>
        type === 'AWS::CloudWatch::Alarm'
          ? [{ ...alarm!, properties: { ...alarm!.properties, ...changed } }]
          : assembly.resources(type),
    }
    return () => readAlarms(only)
  }

  it('are understood', () => {
    expect(readAlarms(assembly).length).toBe(assembly.resources('AWS::CloudWatch::Alarm').length)
  })

  it('stop the start when nothing would ever make them ring', () => {
    const late = 'Archive: days are late'
    expect(readWith(late, { MetricName: 'ArchiveDaysEarly' })).toThrow('has no ArchiveDaysEarly')
    expect(readWith(late, { Dimensions: [{ Name: 'service', Value: 'ingest' }] })).toThrow('ingest does not count')
    expect(readWith(late, { Dimensions: [] })).toThrow('local/ does not make IotTelemetry/dev ArchiveDaysLate')
    expect(readWith(late, { Namespace: 'IotTelemetry/prod' })).toThrow('no archive counts in IotTelemetry/prod')
    expect(
      readWith(late, { MetricName: 'MessagesStored', Dimensions: [{ Name: 'service', Value: 'ingest' }] }),
    ).toThrow('has the dimensions service, tenant')
    const queue = 'Telemetry: messages wait too long'
    expect(readWith(queue, { MetricName: 'ApproximateAge' })).toThrow('does not make AWS/SQS ApproximateAge')
    expect(readWith(queue, { Dimensions: [{ Name: 'QueueName', Value: 'no' }] })).toThrow('there is no no')
  })

  it('stop the start at what this cloud would ignore', () => {
    expect(readWith('Archive: runs fail', { ThresholdMetricId: 'band' })).toThrow('ThresholdMetricId')
    expect(readWith('Archive: runs fail', { Period: 10 })).toThrow('Period')
  })
})
