import * as v from 'valibot'
import { EpochMs, Slug, ThingName } from './slugs.ts'

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const Word = v.pipe(v.string(), v.maxLength(32))

/** Of one machine in a heartbeat; more were declared in earlier ones. */
export const MAX_DROPPED_RANGES = 1000
export const MAX_PENDING_RANGES = 32
export const MAX_CARRIED_RANGES = 32

/** A range of seqs, both ends included. */
const SeqRanges = v.array(v.tuple([Count, Count]))

/**
 * Seqs that one machine's outbox has ever allocated, those that the gateway itself had to drop, and those that the outbox
 * still holds. `pending` may be coarse, but leaves out nothing that is held; without it nothing is known to be held.
 *
 * A gateway that was moved begins a new ledger at its new plant. Where its outbox held something at that moment, which was
 * read at the plant before and is sent under this one, `carried` lists what of it lies below `first`, perhaps nothing: all
 * that a ledger with `carried` declares is expected here, and at the plant before no more.
 */
export const MachineLedger = v.pipe(
  v.object({
    first: Count,
    last: Count,
    dropped: v.pipe(
      SeqRanges,
      v.maxLength(MAX_DROPPED_RANGES, `must be at most ${MAX_DROPPED_RANGES} ranges: declare the newest`),
    ),
    pending: v.optional(
      v.pipe(
        SeqRanges,
        v.maxLength(MAX_PENDING_RANGES, `must be at most ${MAX_PENDING_RANGES} ranges: join the ones that are close`),
      ),
    ),
    carried: v.optional(
      v.pipe(
        SeqRanges,
        v.maxLength(MAX_CARRIED_RANGES, `must be at most ${MAX_CARRIED_RANGES} ranges: leave out the smallest`),
      ),
    ),
  }),
  v.check(({ first, last }) => first <= last, 'must have first <= last'),
  v.check(
    ({ first, carried = [] }) => carried.every(([from, to]) => from <= to && to < first),
    'must have carried ranges [from, to] with from <= to < first',
  ),
  v.check(({ first, last, dropped, pending = [], carried = [] }) => {
    const lowest = Math.min(first, ...carried.map(([from]) => from))
    return [...dropped, ...pending].every(([from, to]) => lowest <= from && from <= to && to <= last)
  }, 'must have ranges [from, to] with first <= from <= to <= last, or from a carried seq on'),
)
export type MachineLedger = v.InferOutput<typeof MachineLedger>

/**
 * The gateway's outbox was damaged, and another was begun at `at`: what the old one still held is in `file` on the
 * gateway, and was not sent. Said until somebody has removed the file.
 */
export const OutboxSetAside = v.object({ at: EpochMs, file: v.pipe(v.string(), v.maxLength(255)) })

/** Heartbeat, every 10 s, retained, QoS 1. `sessionId` is new at each connect. */
export const OnlineStatusV1 = v.object({
  schemaVersion: v.literal(1),
  timestamp: EpochMs,
  state: v.literal('online'),
  sessionId: v.optional(v.pipe(v.string(), v.maxLength(64))),
  gateway: v.object({
    thingName: ThingName,
    version: v.pipe(v.string(), v.maxLength(64)),
    uptimeSec: v.pipe(v.number(), v.finite(), v.minValue(0)),
  }),
  health: v.object({
    /** `up` or `down`, here and in the next two; other words of other gateways are shown as they are. */
    internet: Word,
    mqtt: Word,
    plcLink: Word,
    buffer: v.object({
      /** `live`, `draining` (sending what it had stored) or `storing` (no connection). */
      mode: Word,
      queuedMessages: Count,
      usedBytes: v.optional(Count),
      /** What it can hold before the oldest must go: its own limit, or less where the disk has no room for that. */
      maxBytes: v.optional(Count),
      /** Until the oldest must go if nothing could be sent from now on, at the present rate; absent while nothing is read. */
      runwaySec: v.optional(Count),
    }),
  }),
  ledger: v.optional(v.record(Slug, MachineLedger)),
  outboxSetAside: v.optional(OutboxSetAside),
})
export type OnlineStatusV1 = v.InferOutput<typeof OnlineStatusV1>

/** The will (published by the broker) has reason `unexpected_disconnect`; an orderly stop says `shutdown`. */
export const OfflineStatusV1 = v.object({
  schemaVersion: v.literal(1),
  timestamp: EpochMs,
  state: v.literal('offline'),
  reason: v.picklist(['unexpected_disconnect', 'shutdown']),
  sessionId: v.optional(v.pipe(v.string(), v.maxLength(64))),
})
export type OfflineStatusV1 = v.InferOutput<typeof OfflineStatusV1>

export const StatusV1 = v.variant('state', [OnlineStatusV1, OfflineStatusV1])
export type StatusV1 = v.InferOutput<typeof StatusV1>
