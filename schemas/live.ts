import * as v from 'valibot'
import { Alarm } from './alarms.ts'
import { LiveErrorCode } from './error-codes.ts'
import { EpochMs, Slug, ThingName } from './slugs.ts'
import { OnlineStatusV1 } from './status.ts'
import { Quality, Scalar, Unit } from './telemetry.ts'

/** Current state of a machine: the values of its newest reading by (timestamp, seq). */
export const MachineState = v.object({
  timestamp: EpochMs,
  seq: v.number(),
  receivedAt: EpochMs,
  values: v.record(v.string(), Scalar),
  quality: v.optional(v.record(v.string(), Quality)),
})
export type MachineState = v.InferOutput<typeof MachineState>

/** What is known of a machine besides its state, and hardly ever changes. */
export const MachineAbout = v.object({
  name: v.nullable(v.string()),
  status: v.picklist(['pending', 'active', 'retired']),
  /** Gateway that sent the newest reading. */
  thingName: v.nullable(ThingName),
  /** Tag -> unit, as its gateways have told; a tag without one is not listed. */
  units: v.record(v.string(), Unit),
})
export type MachineAbout = v.InferOutput<typeof MachineAbout>

/** A machine as the snapshot, the deltas and the HTTP API give it. `state` is null until its first reading. */
export const LiveMachine = v.object({
  machineId: v.pipe(v.string(), v.uuid()),
  slug: Slug,
  ...MachineAbout.entries,
  state: v.nullable(MachineState),
})
export type LiveMachine = v.InferOutput<typeof LiveMachine>

/** A machine in a delta: its newest state whole, and what else is known of it only where that may have changed. */
export const LiveMachineChange = v.partial(LiveMachine, ['name', 'status', 'thingName', 'units'])
export type LiveMachineChange = v.InferOutput<typeof LiveMachineChange>

/**
 * `online`, `offline`: as the gateway or its will has last told; `never` until the first heartbeat. `stale`: was online,
 * and three heartbeats in a row are missing. `unknown`: they are missing as well, but our own pipeline is behind, so that
 * it says nothing about the gateway.
 */
export const ConnectionState = v.picklist(['never', 'online', 'offline', 'stale', 'unknown'])
export type ConnectionState = v.InferOutput<typeof ConnectionState>

export const LiveGateway = v.object({
  thingName: ThingName,
  connection: ConnectionState,
  /** `unexpected_disconnect` or `shutdown` when offline, `heartbeats_missed` when stale, `pipeline_behind` when unknown. */
  reason: v.nullable(v.string()),
  /** Broker's clock at the last message of any kind from this gateway. */
  lastSeenAt: v.nullable(EpochMs),
  /** `receivedAt - timestamp`, the median of the last ten heartbeats: positive when the gateway's clock is behind. */
  clockSkewMs: v.nullable(v.number()),
  /** Until its buffer is empty, by the trend of the last ten heartbeats. Null when it is empty, or not shrinking. */
  drainEtaSec: v.nullable(v.number()),
  version: v.nullable(v.string()),
  uptimeSec: v.nullable(v.number()),
  health: v.nullable(OnlineStatusV1.entries.health),
})
export type LiveGateway = v.InferOutput<typeof LiveGateway>

export const PlantRef = v.pipe(v.string(), v.uuid())

/** Browser to cloud. */
export const LiveClientMessage = v.variant('type', [
  v.strictObject({ type: v.literal('subscribe'), plant: PlantRef }),
  v.strictObject({ type: v.literal('unsubscribe'), plant: PlantRef }),
  v.strictObject({ type: v.literal('ping') }),
])
export type LiveClientMessage = v.InferOutput<typeof LiveClientMessage>

const plantPicture = {
  plant: PlantRef,
  /** +1 per frame of this plant. A gap means a lost frame: subscribe again. */
  version: v.number(),
  gateways: v.array(LiveGateway),
  /** Snapshot: those that are open, suppressed ones included. Delta: those that have changed; one with `closedAt` is open no more. */
  alarms: v.array(Alarm),
}

/**
 * Cloud to browser. A snapshot larger than a frame (32 KB, API Gateway limit) comes in parts: all have the same
 * `version`, `part` counts from 1 to `parts`, and the picture is whole when all are there. A delta is made the same way.
 * A machine too large for one frame comes as several entries with the same `state.timestamp` and `state.seq`, each with
 * some of the values and their units: merge them.
 */
export const LiveServerMessage = v.variant('type', [
  v.object({
    type: v.literal('snapshot'),
    ...plantPicture,
    machines: v.array(LiveMachine),
    part: v.number(),
    parts: v.number(),
  }),
  v.object({
    type: v.literal('delta'),
    ...plantPicture,
    machines: v.array(LiveMachineChange),
    part: v.number(),
    parts: v.number(),
  }),
  v.object({ type: v.literal('error'), code: LiveErrorCode, plant: v.optional(v.string()) }),
  /** Of each plant that the connection watches: a version above that of the last frame means that one was lost. */
  v.object({ type: v.literal('pong'), versions: v.optional(v.record(PlantRef, v.number()), {}) }),
])
export type LiveServerMessage = v.InferOutput<typeof LiveServerMessage>
