import type { AddedRate } from './added-rate.ts'
import type { Configuration } from './configuration.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { Identity } from './identity.ts'
import type { LogBook } from './log.ts'
import type { MqttConnection } from './mqtt-connection.ts'
import type { Outbox } from './outbox.ts'
import type { Polling } from './polling.ts'
import type { Publisher } from './publisher.ts'
import type { Renewal } from './renewal.ts'

/** The running agent: what the steps of `run.ts` build up, in their order. */
export interface Agent {
  /** The one that is in force; a reload replaces it. */
  configuration: Configuration
  /** The one in force; a renewal of the certificate and a move replace it. */
  identity: Identity
  /** The one that is to replace it: on the disk, and not yet confirmed. */
  next: Identity | undefined
  readonly log: LogBook
  outbox: Outbox
  /** Of what the outbox takes. */
  addedRate: AddedRate
  polling: Polling
  connection: MqttConnection
  heartbeat: Heartbeat
  publisher: Publisher
  renewal: Renewal
}
