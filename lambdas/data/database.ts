import type { ColumnType, Generated, JSONColumnType } from 'kysely'
import type { AlarmEvent, QuietHours } from '../../schemas/alarm-requests.ts'
import type { AlarmCondition, Severity } from '../../schemas/alarms.ts'
import type { Lifecycle } from '../../schemas/api.ts'
import type { ExportFailure, ExportFormat } from '../../schemas/exports.ts'
import type { Role } from '../../schemas/permissions.ts'
import type { DeadLetterCode } from '../../schemas/error-codes.ts'
import type { ConnectionState, MachineState } from '../../schemas/live.ts'
import type { OnlineStatusV1 } from '../../schemas/status.ts'
import type { Scalar, Units } from '../../schemas/telemetry.ts'
import type { Heartbeat } from './heartbeats.ts'

/** Tables as Kysely sees them. Ids are UUIDv7, times epoch ms; migrations/ says the rest. */
export interface Database {
  tenants: Tenants
  plants: Plants
  machines: Machines
  gateways: Gateways
  gateway_connections: GatewayConnections
  users: Users
  enrolments: Enrolments
  gateway_certificates: GatewayCertificates
  telemetry_events: TelemetryEvents
  machine_state: MachineStates
  closed_blocks: LedgerBlocks
  /** View: closed_blocks, and the open block of each row of machine_state. */
  machine_ledger: LedgerBlocks
  declared_ranges: DeclaredRanges
  full_seqs: FullSeqs
  audit_log: AuditLog
  idempotency_keys: IdempotencyKeys
  rollups: Rollups
  rollup_queue: RollupQueue
  rollup_progress: RollupProgress
  quarantine: Quarantine
  alarm_rules: AlarmRules
  alarm_conditions: AlarmConditions
  alarms: Alarms
  alarm_events: AlarmEvents
  alarm_outbox: AlarmOutbox
  alarm_webhooks: AlarmWebhooks
  alarm_deliveries: AlarmDeliveries
  notification_choices: NotificationChoices
  archive_days: ArchiveDays
  archive_queue: ArchiveQueue
  archive_files: ArchiveFiles
  archived_seqs: ArchivedSeqs
  exports: Exports
}

export interface Tenants {
  id: string
  slug: string
  name: string
  created_at: number
  disabled_at: number | null
  deleting_at: number | null
  alarm_rules_version: Generated<number>
}

export interface Plants {
  id: string
  tenant_id: string
  province: string
  slug: string
  name: string
  time_zone: string
  created_at: number
  created_by: string | null
  updated_at: number
  updated_by: string | null
}

export interface Machines {
  id: string
  tenant_id: string
  plant_id: string
  slug: string
  name: string | null
  status: Generated<'pending' | 'active' | 'retired'>
  gateway_id: string | null
  units: ColumnType<Units, string | undefined, string>
  created_at: number
  created_by: string | null
  updated_at: number
  updated_by: string | null
}

export interface Gateways {
  id: string
  tenant_id: string
  plant_id: string
  thing_name: string
  lifecycle: Generated<Lifecycle>
  busy_until: number | null
  delete_requested_at: number | null
  previous_plant_id: string | null
  moved_at: number | null
  created_at: number
  created_by: string | null
  connection: Generated<ConnectionState>
  reason: string | null
  session_id: string | null
  status_at: number | null
  last_seen_at: number | null
  clock_skew_ms: number | null
  status: JSONColumnType<OnlineStatusV1> | null
  heartbeats: ColumnType<Heartbeat[], string | undefined, string>
}

/** A change of a gateway's connection, which holds until the next one. */
export interface GatewayConnections {
  tenant_id: string
  gateway_id: string
  at: number
  connection: Exclude<ConnectionState, 'never'>
  reason: string | null
  session_id: string | null
  restarted: boolean
}

export interface Users {
  id: string
  tenant_id: string
  firebase_uid: string | null
  email: string
  role: Role
  all_plants: boolean
  plant_ids: Generated<string[]>
  locale: 'en' | 'es' | null
  disabled_at: number | null
  sessions_valid_after: Generated<number>
  invited_at: number | null
  last_seen_at: number | null
  created_at: number
  created_by: string | null
  updated_at: number
  updated_by: string | null
}

export interface Enrolments {
  id: string
  tenant_id: string
  gateway_id: string
  token_hash: Buffer
  key_hash: Buffer | null
  expires_at: number
  used_at: number | null
  created_at: number
  created_by: string | null
}

type Values = MachineState['values']
type Quality = NonNullable<MachineState['quality']>

/** Partitioned by UTC day of `ts`. */
export interface TelemetryEvents {
  tenant_id: string
  machine_id: string
  ts: number
  seq: number
  received_at: number
  values: JSONColumnType<Values>
  quality: JSONColumnType<Quality> | null
}

/** Newest value of each tag; `ts`, `seq` and `received_at` are those of the newest reading. See store-telemetry.ts. */
export interface MachineStates {
  machine_id: string
  tenant_id: string
  ts: number
  seq: number
  received_at: number
  values: JSONColumnType<Values>
  quality: JSONColumnType<Quality> | null
  /** Tags that the newest reading does not carry: tag -> [timestamp, seq] of the reading that gave its value. */
  older_tags: JSONColumnType<Record<string, [number, number]>> | null
  /** MD5 of its newest reading's tags, sorted and joined by commas. */
  tag_set: string | null
  last_seen_at: number
  /** Grows at each change; orders what different consumers write into Redis. */
  revision: number
  /** Newest block of the machine's ledger; null until a second one begins. */
  open_block: number | null
  open_received: Generated<string>
  open_repeats: Generated<number>
}

/** 1,024 seqs of a machine. */
export interface LedgerBlocks {
  tenant_id: string
  machine_id: string
  block: number
  /** bit(1024) as text of 0 and 1. */
  received: string
  repeats: number
}

/** One outbox that a gateway has had for a machine; migrations/0009 explains the columns. Ranges are multiranges as text. */
export interface DeclaredRanges {
  tenant_id: string
  machine_id: string
  gateway_id: string
  first: number
  last: number
  dropped: string
  pending: string
  since: number
  heard_at: number
  grown_at: number
  earlier_last: number
  earlier_pending: string
  earlier_at: number
  moved: string
}

export interface FullSeqs {
  machine_id: string
  tenant_id: string
  seqs: string
}

export interface GatewayCertificates {
  key_hash: Buffer
  tenant_id: string
  gateway_id: string
  /** requested: AWS IoT may have made it. valid. ending: it is to be removed from AWS IoT. */
  state: 'requested' | 'valid' | 'ending'
  certificate_id: string | null
  certificate_pem: string | null
  /** Epoch ms. */
  expires_at: number | null
  requested_at: number
}

/** Append only. */
export interface AuditLog {
  id: string
  tenant_id: string
  plant_id: string | null
  at: number
  user_id: string | null
  action: string
  subject: string
  before: ColumnType<unknown, string | null, never>
  after: ColumnType<unknown, string | null, never>
  request_id: string
}

/** idempotency-keys.ts explains them. */
export interface IdempotencyKeys {
  tenant_id: string
  user_id: string
  operation: string
  key_sha256: Buffer
  request_sha256: Buffer
  id: string
  started_at: number
  answer: Buffer | null
}

/** One tag of a machine in one hour; the migration says which columns each kind has. */
export interface Rollups {
  tenant_id: string
  machine_id: string
  tag: string
  /** Epoch ms / 3,600,000. */
  hour: number
  kind: 'number' | 'boolean' | 'string' | 'bad'
  count: number
  min: number | null
  max: number | null
  sum: number | null
  last: number | null
  known_ms: number | null
  minute_count: number[] | null
  minute_min: (number | null)[] | null
  minute_max: (number | null)[] | null
  minute_sum: (number | null)[] | null
  minute_last: (number | null)[] | null
  minute_known_ms: (number | null)[] | null
  change_ms: number[] | null
  change_to: (string | null)[] | null
  last_ms: number | null
}

export interface RollupQueue {
  tenant_id: string
  machine_id: string
  hour: number
}

export interface RollupProgress {
  hour: number
  dropped_before: Generated<number>
  single: Generated<true>
}

/** Dead letters. */
export interface Quarantine {
  id: string
  message_id: string
  /** Null: for the platform team only. */
  tenant_id: string | null
  plant_id: string | null
  queue: 'telemetry' | 'status'
  code: DeadLetterCode
  message: string
  topic: string | null
  machine: string | null
  thing_name: string | null
  received_at: number | null
  quarantined_at: number
  redrive_at: number | null
  body: Buffer
  payload_bytes: number
  payload_head: Buffer
}

type Json<Value> = ColumnType<Value, string, string>

export interface AlarmRules {
  id: string
  tenant_id: string
  plant_id: string | null
  name: string
  machine: string
  tag: string | null
  condition: Json<AlarmCondition>
  delay_on_ms: number
  delay_off_ms: number
  severity: Severity
  message: string | null
  enabled: boolean
  version: number
  unsettled_since: number | null
  created_at: number
  created_by: string | null
  updated_at: number
  updated_by: string | null
}

export interface AlarmConditions {
  rule_id: string
  source: string
  tenant_id: string
  machine_id: string | null
  phase: 'pending' | 'active'
  since: number
  ending_since: number | null
  value: ColumnType<Scalar, string | null, string | null>
}

export interface Alarms {
  id: string
  tenant_id: string
  plant_id: string
  rule_id: string
  rule_name: string
  source: string
  machine_id: string | null
  gateway_id: string | null
  tag: string | null
  condition: Json<AlarmCondition>
  severity: Severity
  message: string | null
  value: ColumnType<Scalar, string | null, string | null>
  raised_at: number
  cleared_at: number | null
  occurrences: number
  acknowledged_at: number | null
  acknowledged_by: string | null
  comment: string | null
  suppressed: 'shelved' | 'out_of_service' | null
  suppressed_since: number | null
  suppressed_until: number | null
  suppressed_reason: string | null
  suppressed_by: string | null
  closed_at: number | null
  late_hour: number | null
  revision: number
}

export interface AlarmEvents {
  id: string
  tenant_id: string
  alarm_id: string
  at: number
  event: AlarmEvent['event']
  value: ColumnType<Scalar, string | null, string | null>
  user_id: string | null
  text: string | null
}

export interface AlarmOutbox {
  id: string
  tenant_id: string
  plant_id: string | null
  alarm_id: string | null
  type: 'raised' | 'cleared' | 'flood' | 'test'
  details: ColumnType<Record<Severity, number> | null, string | null, string | null>
  created_at: number
  taken_at: number | null
  withheld: Generated<boolean>
  summarised: Generated<boolean>
}

export interface AlarmWebhooks {
  id: string
  tenant_id: string
  plant_id: string | null
  name: string
  url: string
  sealed_secret: Buffer
  severity_from: Severity
  enabled: boolean
  created_at: number
  created_by: string | null
  updated_at: number
  updated_by: string | null
  last_attempt_at: number | null
  last_error: string | null
}

/** To one receiver: `user:{id}` or `webhook:{id}`. */
export interface AlarmDeliveries {
  outbox_id: string
  target: string
  tenant_id: string
  state: 'due' | 'done' | 'dropped'
  created_at: number
  attempts: Generated<number>
  last_error: string | null
}

export interface NotificationChoices {
  user_id: string
  tenant_id: string
  email_from: Severity | null
  email_when_cleared: boolean
  quiet_hours: ColumnType<QuietHours | null, string | null, string | null>
  updated_at: number
}

/** `day` of these: days since 1970-01-01, UTC. migrations/0013 explains the columns. */
export interface ArchiveDays {
  tenant_id: string
  day: number
  busy_until: number | null
  archived_at: number | null
  has_late_files: Generated<boolean>
  verified_at: number | null
}

export interface ArchiveQueue {
  tenant_id: string
  machine_id: string
  day: number
  changes: Generated<number>
}

export interface ArchiveFiles {
  id: string
  tenant_id: string
  day: number
  state: 'live' | 'staged' | 'publishing'
  messages: number
  samples: number
  bytes: number
  sha256: Buffer
  created_at: number
  last_machine_id: string
  last_ts: number
  last_seq: number
}

export interface ArchivedSeqs {
  tenant_id: string
  machine_id: string
  day: number
  /** Multirange as text. */
  seqs: string
}

export interface Exports {
  id: string
  tenant_id: string
  machine_id: string
  user_id: string
  format: ExportFormat
  tags: string[]
  from_ts: number
  to_ts: number
  created_at: number
  asked_at: number
  busy_until: number | null
  percent: Generated<number>
  rows: number | null
  bytes: number | null
  finished_at: number | null
  failure: ExportFailure | null
}
