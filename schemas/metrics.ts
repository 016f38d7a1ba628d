/**
 * The product's own metrics, each named here and nowhere else: functions count them, CDK puts them on the dashboard and
 * under alarms, the local status page shows them. All have the dimension `service`, the folder of the function.
 */

/** What CloudWatch keeps them under: two stages in one account must not count together. */
export const metricNamespace = (stage: string): string => `IotTelemetry/${stage}`

interface MetricDeclaration {
  unit: 'Count' | 'Milliseconds'
  /** Folders of the functions that count it. */
  services: readonly [string, ...string[]]
  /** Its finest dimension. */
  by: 'service' | 'tenant' | 'errorCode'
  /** Whether values of one moment stand for a state (take the newest), instead of for events (take the sum). */
  isGauge?: true
}

const WITH_REDIS = ['ingest', 'status', 'presence-sweep', 'alarm-sweep', 'api', 'fan-out'] as const

export const METRICS = {
  AlarmDeliveryFailed: { unit: 'Count', services: ['alarm-delivery'], by: 'service' },
  AlarmsDelivered: { unit: 'Count', services: ['alarm-delivery'], by: 'service' },
  AlarmsWithheld: { unit: 'Count', services: ['alarm-delivery'], by: 'service' },
  ArchiveDaysLate: { unit: 'Count', services: ['archive'], by: 'service', isGauge: true },
  ArchiveVerificationFailed: { unit: 'Count', services: ['archive'], by: 'service' },
  DeadLetters: { unit: 'Count', services: ['ingest', 'status'], by: 'errorCode' },
  DuplicateMessages: { unit: 'Count', services: ['ingest'], by: 'tenant' },
  ExportsFailed: { unit: 'Count', services: ['exports'], by: 'service' },
  ExportsMade: { unit: 'Count', services: ['exports'], by: 'service' },
  FramesDropped: { unit: 'Count', services: ['fan-out'], by: 'service' },
  FramesPosted: { unit: 'Count', services: ['fan-out'], by: 'service' },
  GatewayDifferences: { unit: 'Count', services: ['reconcile-gateways'], by: 'service', isGauge: true },
  GatewaysOffline: { unit: 'Count', services: ['presence-sweep'], by: 'tenant', isGauge: true },
  GatewaysUnknown: { unit: 'Count', services: ['presence-sweep'], by: 'tenant', isGauge: true },
  GuessesSlowedDown: { unit: 'Count', services: ['api'], by: 'service' },
  /** From the broker's clock until the slowest reading of a batch was stored and announced. */
  IngestLatency: { unit: 'Milliseconds', services: ['ingest'], by: 'service' },
  LateMessages: { unit: 'Count', services: ['ingest'], by: 'service' },
  MessagesStored: { unit: 'Count', services: ['ingest'], by: 'tenant' },
  PartitionMissing: { unit: 'Count', services: ['ingest'], by: 'service' },
  QuarantinedMessages: { unit: 'Count', services: ['quarantine'], by: 'errorCode' },
  RateLimited: { unit: 'Count', services: ['api'], by: 'tenant' },
  RateNotLimited: { unit: 'Count', services: ['api', 'live-socket'], by: 'service' },
  RealtimeUnavailable: { unit: 'Count', services: WITH_REDIS, by: 'service' },
  RedrivenMessages: { unit: 'Count', services: ['redrive'], by: 'service' },
  RefusedRanges: { unit: 'Count', services: ['status'], by: 'service' },
  /** Answered with a status of 500 or above: it is us. */
  RequestsFailed: { unit: 'Count', services: ['api'], by: 'service' },
  RetriedMessages: {
    unit: 'Count',
    services: ['ingest', 'status', 'quarantine', 'alarm-delivery', 'exports'],
    by: 'service',
  },
  RollupHoursWaiting: { unit: 'Count', services: ['rollup'], by: 'service', isGauge: true },
  StatusMessages: { unit: 'Count', services: ['status'], by: 'tenant' },
  StatusPipelineBehind: { unit: 'Count', services: ['presence-sweep'], by: 'service', isGauge: true },
} as const satisfies Record<string, MetricDeclaration>

export type MetricName = keyof typeof METRICS
export type MetricsBy<By> = {
  [Name in MetricName]: (typeof METRICS)[Name]['by'] extends By ? Name : never
}[MetricName]

export const declarationOf = (name: MetricName): MetricDeclaration => METRICS[name]
