import { setTimeout as sleep } from 'node:timers/promises'
import type { Quality, Scalar } from '../../schemas/telemetry.ts'
import { MAX_TAGS_PER_MESSAGE } from '../../schemas/telemetry.ts'
import { Cadence } from './cadence.ts'
import type { Machine, Tag } from './configuration.ts'
import { DeviceDown, type Device } from './drivers/device.ts'
import type { DataValue } from './drivers/driver.ts'
import { messageOf } from './failure.ts'
import type { Log } from './log.ts'
import type { Outbox, Reading } from './outbox.ts'
import { ReadingTime } from './reading-time.ts'
import { ReportByException } from './reporting.ts'
import { scaled } from './scaling.ts'
import { UnitReminder } from './unit-reminder.ts'

/** Tags of one machine on one device: what is read in the same cycle travels in one message. */
interface Group {
  machine: string
  tags: readonly Tag[]
  report: ReportByException
  units: UnitReminder
  time: ReadingTime
}

/** What falls on the same instant, kept so that the driver can keep its plan for it. */
interface Batch {
  tags: readonly Tag[]
  groups: readonly { group: Group; tags: readonly Tag[] }[]
}

/** What was last known of a tag; `at`: epoch ms of the read, or of the loss of the link. */
export interface Sample {
  machine: string
  tag: Tag
  value: DataValue
  at: number
}

/**
 * Reads one device at a fixed cadence and puts what is to be sent into the outbox. Each device has its own poller, so
 * that a slow one delays no other. A cycle that takes longer than its interval swallows the instants it missed: they
 * are counted, and never caught up with.
 */
export class Poller {
  readonly #device: Device
  readonly #groups: readonly Group[]
  /** On the monotonic clock: every cadence counts from here. */
  readonly #startMs: number
  readonly #cadences: ReadonlyMap<number, Cadence>
  readonly #outbox: Pick<Outbox, 'add'>
  readonly #log: Log
  readonly #batches = new Map<string, Batch>()
  readonly #faulty = new Set<Tag>()
  readonly #samples = new Map<Tag, Sample>()
  readonly #stopping = new AbortController()
  readonly #ended: Promise<void>
  #skippedCycles = 0
  #lostReadings = 0
  #lastCycleMs = 0
  #longestCycleMs = 0
  #busySince: number | undefined
  /** The loss of the link is reported once, until the device has answered again. */
  #lossReported = false

  /** `before`: the stopped poller of the same device that this one takes over from, in the same rhythm. */
  constructor(options: {
    device: Device
    machines: readonly Machine[]
    outbox: Pick<Outbox, 'add'>
    log: Log
    before?: Poller | undefined
  }) {
    this.#device = options.device
    this.#outbox = options.outbox
    this.#log = options.log
    this.#groups = options.machines
      .map(({ slug, tags }) => ({ machine: slug, tags: tags.filter(({ device }) => device === options.device.name) }))
      .filter(({ tags }) => tags.length > 0)
      .map((group) => ({
        ...group,
        report: new ReportByException(group.tags),
        units: new UnitReminder(group.tags),
        time: new ReadingTime(),
      }))
    const { before } = options
    const now = performance.now()
    this.#startMs = before ? before.#startMs : now
    const intervals = new Set(this.#groups.flatMap(({ tags }) => tags.map(({ intervalMs }) => intervalMs)))
    this.#cadences = new Map(
      [...intervals].map((intervalMs) => {
        const kept = before && before.#cadences.get(intervalMs)
        return [intervalMs, kept ?? Cadence.from(this.#startMs, intervalMs, now)]
      }),
    )
    this.#ended = this.#run()
  }

  /** Cycles that were not read because the one before took too long. */
  get skippedCycles(): number {
    return this.#skippedCycles
  }

  /** Readings that the outbox could not store. */
  get lostReadings(): number {
    return this.#lostReadings
  }

  get cycleMs(): { last: number; longest: number } {
    return { last: this.#lastCycleMs, longest: this.#longestCycleMs }
  }

  /** How long the present cycle has been going on; 0 between two. */
  get busyMs(): number {
    return this.#busySince === undefined ? 0 : performance.now() - this.#busySince
  }

  /** The last of each tag that was read. */
  get samples(): Iterable<Sample> {
    return this.#samples.values()
  }

  /** Resolves after the cycle that is being read, so that nothing is added any more. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#ended
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (this.#cadences.size > 0) {
      const next = Math.min(...[...this.#cadences.values()].map(({ nextMs }) => nextMs))
      const slept = await sleep(Math.max(0, next - performance.now()), true, { signal }).catch(() => false)
      if (!slept) return
      const due = [...this.#cadences].filter(([, { nextMs }]) => nextMs <= next)
      this.#busySince = performance.now()
      await this.#cycle(this.#batchOf(due.map(([intervalMs]) => intervalMs)))
      this.#lastCycleMs = performance.now() - this.#busySince
      this.#longestCycleMs = Math.max(this.#longestCycleMs, this.#lastCycleMs)
      this.#busySince = undefined
      this.#advance(due.map(([, cadence]) => cadence))
    }
  }

  async #cycle({ tags, groups }: Batch): Promise<void> {
    let readings: Reading[] = []
    try {
      readings = await this.#read(tags, groups)
      if (readings.length > 0) this.#outbox.add(readings)
      this.#log.settled('outbox')
    } catch (error) {
      this.#lostReadings += readings.length
      // Nothing was stored, so no seq was used: the reading is lost, its successors are not.
      this.#countAsUnsent()
      this.#log.warnOften('outbox', `outbox: cannot store readings: ${messageOf(error)}; free disk space in dataDir`)
    }
  }

  /** What could not be stored must not be held against what is read next: a change would stay untold until the longest silence. */
  #countAsUnsent(): void {
    this.#lossReported = false
    for (const group of this.#groups) {
      group.report = new ReportByException(group.tags)
      group.units = new UnitReminder(group.tags)
    }
  }

  async #read(tags: readonly Tag[], groups: Batch['groups']): Promise<Reading[]> {
    let raw: DataValue[]
    try {
      raw = await this.#device.read(tags)
    } catch (error) {
      if (!(error instanceof DeviceDown)) throw error
      return this.#lossOfLink(error.message)
    }
    this.#lossReported = false
    const now = Date.now()
    const nowMs = performance.now()
    const values = new Map(tags.map((tag, index) => [tag, scaled(tag, raw[index]!)]))
    for (const [tag, { fault }] of values) this.#warnOfFault(tag, fault)
    return groups.flatMap(({ group, tags: read }) => {
      const timestamp = group.time.of(
        read.map((tag) => values.get(tag)!),
        now,
      )
      for (const tag of read) this.#keep(group.machine, tag, values.get(tag)!, timestamp)
      const byName = new Map(read.map((tag) => [tag.name, values.get(tag)!]))
      if (!group.report.isDue(byName, nowMs)) return []
      return readingsOf(group.machine, timestamp, byName, group.units.due(byName.keys(), nowMs))
    })
  }

  /** Every tag of the device as null and bad, once; then silence, because an old value must not get a new time. */
  #lossOfLink(fault: string): Reading[] {
    if (this.#lossReported) return []
    this.#lossReported = true
    const now = Date.now()
    const nowMs = performance.now()
    return this.#groups.flatMap(({ machine, tags, report, units, time }) => {
      const timestamp = time.of([], now)
      for (const tag of tags) this.#keep(machine, tag, { value: null, quality: 'bad', fault }, timestamp)
      const lost = new Map<string, DataValue>(tags.map(({ name }) => [name, { value: null, quality: 'bad' }]))
      report.isDue(lost, nowMs)
      return readingsOf(machine, timestamp, lost, units.due(lost.keys(), nowMs))
    })
  }

  #keep(machine: string, tag: Tag, value: DataValue, at: number): void {
    const sample = this.#samples.get(tag)
    if (!sample) return void this.#samples.set(tag, { machine, tag, value, at })
    sample.value = value
    sample.at = at
  }

  #batchOf(intervals: readonly number[]): Batch {
    const key = intervals.join()
    let batch = this.#batches.get(key)
    if (!batch) {
      const groups = this.#groups
        .map((group) => ({ group, tags: group.tags.filter(({ intervalMs }) => intervals.includes(intervalMs)) }))
        .filter(({ tags }) => tags.length > 0)
      batch = { groups, tags: groups.flatMap(({ tags }) => tags) }
      this.#batches.set(key, batch)
    }
    return batch
  }

  #advance(cadences: readonly Cadence[]): void {
    const now = performance.now()
    let missed = 0
    for (const cadence of cadences) missed += cadence.advance(now)
    if (missed === 0) return
    this.#skippedCycles += missed
    this.#log.warnOften(
      `overrun ${this.#device.name}`,
      `device ${this.#device.name}: reading took longer than the interval, ${missed} cycles skipped (${this.#skippedCycles} since the start); ` +
        'lengthen intervalMs or read fewer tags',
    )
  }

  #warnOfFault(tag: Tag, fault: string | undefined): void {
    if (!fault && !this.#faulty.has(tag)) return
    const { name, address } = tag
    const key = `tag ${this.#device.name} ${name} ${address}`
    if (fault) {
      this.#faulty.add(tag)
      this.#log.warnOften(key, `device ${this.#device.name}: tag ${name} (${address}): ${fault}`)
    } else {
      this.#faulty.delete(tag)
      this.#log.settled(key)
    }
  }
}

/** What the tags of one message may take of the 128 KB of AWS IoT, which ends the connection of who publishes more. */
const MAX_TAGS_BYTES = 120 * 1024
/** JSON writes a character as six bytes at most, and a number as 25. */
const LONGEST_CHARACTER = 6
const LONGEST_NUMBER = 25
/** Of a tag in `values`, `quality` and `units`: quotes, colons and commas, and the longer word for a quality. */
const TAG_FRAME_BYTES = 40

/** One message, or as many as the tags need; each gets a seq of its own. `units` are those that are due now. */
export function readingsOf(
  machine: string,
  timestamp: number,
  values: ReadonlyMap<string, DataValue>,
  units: ReadonlyMap<string, string>,
): Reading[] {
  return messagesOf(values, units).map((part) => {
    const notGood = part.filter(
      (entry): entry is [string, DataValue & { quality: Quality }] => entry[1].quality !== 'good',
    )
    const dueUnits = part.filter(([name]) => units.has(name)).map(([name]) => [name, units.get(name)!] as const)
    return {
      machine,
      timestamp,
      values: Object.fromEntries(part.map(([name, { value }]): [string, Scalar] => [name, value])),
      ...(notGood.length > 0 && { quality: Object.fromEntries(notGood.map(([name, { quality }]) => [name, quality])) }),
      ...(dueUnits.length > 0 && { units: Object.fromEntries(dueUnits) }),
    }
  })
}

function messagesOf(
  values: ReadonlyMap<string, DataValue>,
  units: ReadonlyMap<string, string>,
): [string, DataValue][][] {
  const parts: [string, DataValue][][] = []
  let bytes = Infinity
  for (const [name, value] of values) {
    const text = (units.get(name)?.length ?? 0) + (typeof value.value === 'string' ? value.value.length : 0)
    const tagBytes = 3 * name.length + text * LONGEST_CHARACTER + LONGEST_NUMBER + TAG_FRAME_BYTES
    if (bytes + tagBytes > MAX_TAGS_BYTES || parts.at(-1)!.length === MAX_TAGS_PER_MESSAGE) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push([name, value])
    bytes += tagBytes
  }
  return parts
}
