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
import { ReportByException } from './reporting.ts'
import { scaled } from './scaling.ts'
import { UnitReminder } from './unit-reminder.ts'

/** Tags of one machine on one device: what is read in the same cycle travels in one message. */
interface Group {
  machine: string
  tags: readonly Tag[]
  report: ReportByException
  units: UnitReminder
}

/** What falls on the same instant, kept so that the driver can keep its plan for it. */
interface Batch {
  tags: readonly Tag[]
  groups: readonly { group: Group; tags: readonly Tag[] }[]
}

/**
 * Reads one device at a fixed cadence and puts what is to be sent into the outbox. Each device has its own poller, so
 * that a slow one delays no other. A cycle that takes longer than its interval swallows the instants it missed: they
 * are counted, and never caught up with.
 */
export class Poller {
  readonly #device: Device
  readonly #groups: readonly Group[]
  readonly #cadences: ReadonlyMap<number, Cadence>
  readonly #outbox: Pick<Outbox, 'add'>
  readonly #log: Log
  readonly #batches = new Map<string, Batch>()
  readonly #faulty = new Set<Tag>()
  readonly #stopping = new AbortController()
  readonly #ended: Promise<void>
  #skippedCycles = 0
  /** The loss of the link is reported once, until the device has answered again. */
  #lossReported = false

  constructor(options: { device: Device; machines: readonly Machine[]; outbox: Pick<Outbox, 'add'>; log: Log }) {
    this.#device = options.device
    this.#outbox = options.outbox
    this.#log = options.log
    this.#groups = options.machines
      .map(({ slug, tags }) => ({ machine: slug, tags: tags.filter(({ device }) => device === options.device.name) }))
      .filter(({ tags }) => tags.length > 0)
      .map((group) => ({ ...group, report: new ReportByException(group.tags), units: new UnitReminder(group.tags) }))
    const start = performance.now()
    const intervals = new Set(this.#groups.flatMap(({ tags }) => tags.map(({ intervalMs }) => intervalMs)))
    this.#cadences = new Map([...intervals].map((intervalMs) => [intervalMs, new Cadence(start, intervalMs)]))
    this.#ended = this.#run()
  }

  /** Cycles that were not read because the one before took too long. */
  get skippedCycles(): number {
    return this.#skippedCycles
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
      await this.#cycle(this.#batchOf(due.map(([intervalMs]) => intervalMs)))
      this.#advance(due.map(([, cadence]) => cadence))
    }
  }

  async #cycle({ tags, groups }: Batch): Promise<void> {
    try {
      const readings = await this.#read(tags, groups)
      if (readings.length > 0) this.#outbox.add(readings)
      this.#log.settled('outbox')
    } catch (error) {
      // Nothing was stored, so no seq was used: the reading is lost, its successors are not.
      this.#log.warnOften('outbox', `outbox: cannot store readings: ${messageOf(error)}; free disk space in dataDir`)
    }
  }

  async #read(tags: readonly Tag[], groups: Batch['groups']): Promise<Reading[]> {
    let raw: DataValue[]
    try {
      raw = await this.#device.read(tags)
    } catch (error) {
      if (!(error instanceof DeviceDown)) throw error
      return this.#lossOfLink()
    }
    this.#lossReported = false
    const timestamp = Date.now()
    const nowMs = performance.now()
    const values = new Map(tags.map((tag, index) => [tag, scaled(tag, raw[index]!)]))
    for (const [tag, { fault }] of values) this.#warnOfFault(tag, fault)
    return groups.flatMap(({ group, tags: read }) => {
      const byName = new Map(read.map((tag) => [tag.name, values.get(tag)!]))
      if (!group.report.isDue(byName, nowMs)) return []
      return readingsOf(group.machine, timestamp, byName, group.units.due(byName.keys(), nowMs))
    })
  }

  /** Every tag of the device as null and bad, once; then silence, because an old value must not get a new time. */
  #lossOfLink(): Reading[] {
    if (this.#lossReported) return []
    this.#lossReported = true
    const timestamp = Date.now()
    const nowMs = performance.now()
    return this.#groups.flatMap(({ machine, tags, report, units }) => {
      const lost = new Map<string, DataValue>(tags.map(({ name }) => [name, { value: null, quality: 'bad' }]))
      report.isDue(lost, nowMs)
      return readingsOf(machine, timestamp, lost, units.due(lost.keys(), nowMs))
    })
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

/** One message, or as many as the tags need; each gets a seq of its own. `units` are those that are due now. */
export function readingsOf(
  machine: string,
  timestamp: number,
  values: ReadonlyMap<string, DataValue>,
  units: ReadonlyMap<string, string>,
): Reading[] {
  const entries = [...values]
  const readings: Reading[] = []
  for (let from = 0; from < entries.length; from += MAX_TAGS_PER_MESSAGE) {
    const part = entries.slice(from, from + MAX_TAGS_PER_MESSAGE)
    const notGood = part.filter(
      (entry): entry is [string, DataValue & { quality: Quality }] => entry[1].quality !== 'good',
    )
    const dueUnits = part.filter(([name]) => units.has(name)).map(([name]) => [name, units.get(name)!] as const)
    readings.push({
      machine,
      timestamp,
      values: Object.fromEntries(part.map(([name, { value }]): [string, Scalar] => [name, value])),
      ...(notGood.length > 0 && { quality: Object.fromEntries(notGood.map(([name, { quality }]) => [name, quality])) }),
      ...(dueUnits.length > 0 && { units: Object.fromEntries(dueUnits) }),
    })
  }
  return readings
}
