import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { retryDelaySec } from '../../../lambdas/runtime/retry-later.ts'
import { houseFunctions, resource, resources, synthesize } from './templates.ts'

interface QueueProperties {
  FifoQueue?: boolean
  MessageRetentionPeriod: number
  VisibilityTimeout: number
  SqsManagedSseEnabled: boolean
  RedrivePolicy?: { deadLetterTargetArn: { 'Fn::GetAtt': [string, string] }; maxReceiveCount: number }
}

interface SourceProperties {
  BatchSize: number
  MaximumBatchingWindowInSeconds?: number
  EventSourceArn: { 'Fn::GetAtt'?: [string, string]; 'Fn::ImportValue'?: string }
  FunctionName: { Ref: string }
  FunctionResponseTypes: string[]
  ScalingConfig: { MaximumConcurrency: number }
}

const FOURTEEN_DAYS = 14 * 24 * 3600

describe.each(['dev', 'prod'])('queues of %s', (stage) => {
  const templates = synthesize({ stage })
  const queues = resources<QueueProperties>(templates, 'AWS::SQS::Queue')
  const sources = resources<SourceProperties>(templates, 'AWS::Lambda::EventSourceMapping')
  const consumed = queues.filter(({ properties }) => properties.RedrivePolicy)
  const queueOf = ({ EventSourceArn: arn }: SourceProperties) =>
    queues.find(({ id }) => arn['Fn::GetAtt']?.[0] === id || arn['Fn::ImportValue']?.includes(`FnGetAtt${id}Arn`))

  it('are encrypted and closed to whoever does not come over TLS', () => {
    const policies = resources<{ Queues: { Ref: string }[]; PolicyDocument: unknown }>(
      templates,
      'AWS::SQS::QueuePolicy',
    )
    for (const { id, properties } of queues) {
      expect(properties.SqsManagedSseEnabled, id).toBe(true)
      const policy = policies.find((one) => one.properties.Queues.some(({ Ref }) => Ref === id))
      expect(policy?.properties.PolicyDocument, id).toMatchObject({
        Statement: [{ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }],
      })
    }
  })

  it('have a consumer each; the quarantine takes the dead letters, except those of the fan-out, alarms and exports', () => {
    const consumers = sources.map(({ id, properties }) => [
      queueOf(properties)?.id.slice(0, -8),
      /^[A-Z][a-z]+([A-Z][a-z]+)?(?=Sqs)/.exec(id)?.[0],
    ])
    expect(consumers.toSorted()).toEqual([
      ['AlarmQueue', 'AlarmDelivery'],
      ['ExportQueue', 'Exports'],
      ['FanOutQueue', 'FanOut'],
      ['LateTelemetryQueue', 'LateIngest'],
      ['RuleErrors', 'Quarantine'],
      ['StatusQueue', 'Status'],
      ['StatusQueueDeadLetters', 'Quarantine'],
      ['TelemetryQueue', 'Ingest'],
      ['TelemetryQueueDeadLetters', 'Quarantine'],
    ])
  })

  it('keep what nobody has stored for 14 days, and dead letters in the order of their queue', () => {
    expect(queues.find(({ id }) => id.startsWith('RuleErrors'))?.properties.MessageRetentionPeriod).toBe(FOURTEEN_DAYS)
    expect(consumed).toHaveLength(6)
    for (const { id, properties } of consumed) {
      const target = properties.RedrivePolicy?.deadLetterTargetArn['Fn::GetAtt'][0]
      const deadLetters = queues.find((queue) => queue.id === target)
      expect(deadLetters?.properties.MessageRetentionPeriod, id).toBe(FOURTEEN_DAYS)
      expect(deadLetters?.properties.FifoQueue, id).toBe(properties.FifoQueue)
    }
  })

  it('hide a message for at least six times the time-out of their consumer', () => {
    const functions = Object.values(houseFunctions(templates))
    for (const { properties } of sources) {
      const timeout = functions.find(({ id }) => id === properties.FunctionName.Ref)?.properties.Timeout ?? Infinity
      expect(queueOf(properties)?.properties.VisibilityTimeout).toBeGreaterThanOrEqual(6 * timeout)
    }
  })

  it('report partial failures and bound their concurrency', () => {
    for (const { id, properties } of sources) {
      expect(properties.FunctionResponseTypes, id).toEqual(['ReportBatchItemFailures'])
      expect(properties.ScalingConfig.MaximumConcurrency, id).toBeGreaterThanOrEqual(2)
    }
  })

  it('keep telemetry and status through an outage of days, and live items for a minute', () => {
    for (const name of ['TelemetryQueue', 'LateTelemetryQueue', 'StatusQueue'])
      expect(consumed.find(({ id }) => id.startsWith(name))?.properties, name).toMatchObject({
        MessageRetentionPeriod: FOURTEEN_DAYS,
        RedrivePolicy: { maxReceiveCount: 1000 },
      })
    const fanOut = consumed.find(({ id }) => id.startsWith('FanOutQueue'))
    expect(fanOut?.properties).toMatchObject({
      FifoQueue: true,
      FifoThroughputLimit: 'perMessageGroupId',
      MessageRetentionPeriod: 60,
    })
    // Two equal items within five minutes are both meant: the sender names each one.
    expect(fanOut?.properties).not.toHaveProperty('ContentBasedDeduplication')
  })

  it('have an alarm per heading of the runbook, named after it and the stage', () => {
    const runbook = readFileSync(join(import.meta.dirname, '../../../docs/runbook.md'), 'utf8')
    const headings = [...runbook.matchAll(/^## (.+)$/gm)].map(([, heading]) => `${heading!} [${stage}]`)
    const alarms = resources<{ AlarmName: string; AlarmActions: unknown[]; OKActions: unknown[] }>(
      templates,
      'AWS::CloudWatch::Alarm',
    )
    expect(alarms.map(({ properties }) => properties.AlarmName).toSorted()).toEqual(headings.toSorted())
    expect(alarms.length).toBeGreaterThanOrEqual(10)
    for (const { properties } of alarms)
      for (const told of [properties.AlarmActions, properties.OKActions])
        expect(JSON.stringify(told), properties.AlarmName).toContain(`iot-telemetry-${stage}-network:`)
  })

  it('alarm for each message that reaches the quarantine, and when none gets on for longer than the longest pause', () => {
    interface AlarmProperties {
      AlarmName: string
      MetricName?: string
      EvaluationPeriods: number
      Metrics?: { Expression?: string; MetricStat?: { Metric: { MetricName: string }; Period: number } }[]
    }
    const alarms = resources<AlarmProperties>(templates, 'AWS::CloudWatch::Alarm').map(({ properties }) => properties)
    for (const title of ['Telemetry: dead letters', 'Gateway status: dead letters', 'IoT rules: deliveries failed'])
      expect(alarms.find(({ AlarmName }) => AlarmName.startsWith(title))).toMatchObject({
        MetricName: 'NumberOfMessagesReceived',
        Threshold: 1,
        EvaluationPeriods: 1,
      })
    const stuck = alarms.filter(({ AlarmName }) => AlarmName.includes('quarantine is stuck'))
    expect(stuck).toHaveLength(3)
    for (const { Metrics = [], EvaluationPeriods } of stuck) {
      expect(EvaluationPeriods * 60).toBeGreaterThan(retryDelaySec(1000))
      expect(Metrics.flatMap(({ MetricStat }) => MetricStat?.Metric.MetricName ?? []).toSorted()).toEqual([
        'ApproximateNumberOfMessagesNotVisible',
        'ApproximateNumberOfMessagesVisible',
        'NumberOfMessagesDeleted',
      ])
    }
  })
})

describe('ingest profiles', () => {
  const sourceOf = (ingestProfile: string, prefix: string) =>
    resource<SourceProperties>(synthesize({ ingestProfile }), 'AWS::Lambda::EventSourceMapping', prefix).properties

  it('live: ten readings, at once', () => {
    expect(sourceOf('live', 'Ingest').BatchSize).toBe(10)
    expect(sourceOf('live', 'Ingest')).not.toHaveProperty('MaximumBatchingWindowInSeconds')
  })

  it('bulk: a thousand readings, gathered for a second, which Lambda demands above ten', () => {
    expect(sourceOf('bulk', 'Ingest')).toMatchObject({ BatchSize: 1000, MaximumBatchingWindowInSeconds: 1 })
  })

  it('leave status and fan-out as they are; a FIFO source must not have a window', () => {
    for (const prefix of ['Status', 'FanOut']) {
      expect(sourceOf('bulk', prefix)).toEqual(sourceOf('live', prefix))
      expect(sourceOf('bulk', prefix)).not.toHaveProperty('MaximumBatchingWindowInSeconds')
    }
  })
})
