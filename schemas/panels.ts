/** What the platform team looks at: the panels of CloudWatch's dashboard and of the local status page. */
import type { MetricName } from './metrics.ts'

/** A metric of AWS's own, for each value of its one dimension. */
interface AwsMetric {
  namespace: 'AWS/Lambda' | 'AWS/SQS'
  name: string
  dimension: 'FunctionName' | 'QueueName'
}

export interface Panel {
  title: string
  /** One line per metric and combination of its dimensions. */
  of: readonly (MetricName | AwsMetric)[]
  statistic: 'Sum' | 'Average' | 'Maximum'
  /** The sum of a minute, shown as per second. */
  perSecond?: true
  unit?: 'ms' | 's'
}

const ofQueues = (name: string): AwsMetric => ({ namespace: 'AWS/SQS', name, dimension: 'QueueName' })
const ofFunctions = (name: string): AwsMetric => ({ namespace: 'AWS/Lambda', name, dimension: 'FunctionName' })

export const PANELS: readonly Panel[] = [
  { title: 'Messages per second, by tenant', of: ['MessagesStored'], statistic: 'Sum', perSecond: true },
  { title: 'Gateways offline, by tenant', of: ['GatewaysOffline', 'GatewaysUnknown'], statistic: 'Maximum' },
  { title: 'Refused messages, by consumer and code', of: ['DeadLetters'], statistic: 'Sum' },
  { title: 'Failed invocations, by function', of: [ofFunctions('Errors')], statistic: 'Sum' },
  { title: 'From broker to stored: mean of batches', of: ['IngestLatency'], statistic: 'Average', unit: 'ms' },
  { title: 'From broker to stored: slowest batch', of: ['IngestLatency'], statistic: 'Maximum', unit: 'ms' },
  {
    title: 'Age of the oldest message, by queue',
    of: [ofQueues('ApproximateAgeOfOldestMessage')],
    statistic: 'Maximum',
    unit: 's',
  },
  {
    title: 'Messages that wait, by queue',
    of: [ofQueues('ApproximateNumberOfMessagesVisible')],
    statistic: 'Maximum',
  },
  { title: 'Repeated messages, by tenant', of: ['DuplicateMessages'], statistic: 'Sum' },
  { title: 'Late messages, and messages to try again', of: ['LateMessages', 'RetriedMessages'], statistic: 'Sum' },
  { title: 'Duration, by function', of: [ofFunctions('Duration')], statistic: 'Average', unit: 'ms' },
  { title: 'Invocations, by function', of: [ofFunctions('Invocations')], statistic: 'Sum' },
  { title: 'Frames to pages', of: ['FramesPosted', 'FramesDropped', 'RealtimeUnavailable'], statistic: 'Sum' },
  {
    title: 'Alarms of companies told',
    of: ['AlarmsDelivered', 'AlarmDeliveryFailed', 'AlarmsWithheld'],
    statistic: 'Sum',
  },
  { title: 'Requests that failed', of: ['RequestsFailed'], statistic: 'Sum' },
  {
    title: 'Requests above the rate limit',
    of: ['RateLimited', 'RateNotLimited', 'GuessesSlowedDown'],
    statistic: 'Sum',
  },
  {
    title: 'Work that waits: hours to roll up, days to archive, gateways that differ',
    of: ['RollupHoursWaiting', 'ArchiveDaysLate', 'GatewayDifferences'],
    statistic: 'Maximum',
  },
  { title: 'Exports made, and failed', of: ['ExportsMade', 'ExportsFailed'], statistic: 'Sum' },
  { title: 'Heartbeats and wills, by tenant', of: ['StatusMessages'], statistic: 'Sum' },
  { title: 'Dead letters taken, and sent again', of: ['QuarantinedMessages', 'RedrivenMessages'], statistic: 'Sum' },
  {
    title: 'What should never be',
    of: ['PartitionMissing', 'ArchiveVerificationFailed', 'RefusedRanges', 'StatusPipelineBehind'],
    statistic: 'Sum',
  },
]
