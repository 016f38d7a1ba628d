/**
 * Makes the readings of a fleet as a bad world delivers them: repeated, shuffled, days late, withheld, contradicted, from
 * gateways with wrong clocks, and with poison among them. All of it follows from the seed and the moment of the start.
 */
import type { IngestErrorCode } from '../../schemas/error-codes.ts'
import type { Quality, Scalar } from '../../schemas/telemetry.ts'
import { status, telemetry } from '../helpers/envelopes.ts'
import type { TestPlant } from '../helpers/plant.ts'
import type { Fleet, FleetMachine } from './fleet.ts'
import { POISON } from './poison.ts'
import type { Random } from './random.ts'

/** One content sent under a seq. `receivedAt` and `bodies` tell its deliveries apart. */
export interface Content {
  timestamp: number
  values: Record<string, Scalar>
  quality?: Record<string, Quality>
  receivedAt: number[]
  /** Kept only where several contents share a seq: all but one of them are refused. */
  bodies?: string[]
}

export interface SentMachine extends FleetMachine {
  /** Most of its readings carry all tags; of others they carry what has changed. */
  tellsAll: boolean
  /** First and newest seq that its gateway has allocated. */
  first: number
  seq: number
  timestamp: number
  /** Readings left of the days that its gateway spent without a network. */
  late: { left: number; timestamp: number }
  bySeq: Map<number, Content[]>
  /** Seqs of which no good message was ever sent, with what became of them. */
  missing: Map<number, Missing>
  /** Valid messages delivered, repeats included. */
  deliveries: number
}

interface Delivery {
  body: string
  machine?: SentMachine
  content?: Content
  seq?: number
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const TAGS = ['temperature', 'pressure', 'speed', 'running', 'state', 'count']
/** Seldom told: what becomes of one is not soon covered by a newer value. */
const RARE_TAGS = Array.from({ length: 40 }, (_, index) => `parameter-${index}`)
const PERCENT = { repeat: 8, late: 1.5, withheld: 1, contradiction: 2, poison: 2, heldBack: 4 }
const RECENT = 2_000
/** Of each machine: enough for all consumers to have some of each. */
const CLOSING_READINGS = 6

/** Never sent, and declared by the gateway as dropped; never sent, and not declared; sent, and refused. */
export type Missing = 'dropped' | 'lost' | 'quarantined'

export class Generator {
  readonly machines: SentMachine[]
  /** Its machines send only what is refused. */
  readonly fullPlant: TestPlant
  /** Body of each message that must be refused for its own sake, with the code. */
  readonly refused = new Map<string, IngestErrorCode>()
  readonly #random: Random
  readonly #fleet: Fleet
  /** Broker's clock, epoch ms: goes on by 1 ms with each message, which is slower than the world's. */
  #clock: number
  #round = 0
  #messages = 0
  #heldBack: Delivery[] = []
  #recent: Delivery[] = []
  /** In turns, so that a short run has all of them. */
  #poisons: typeof POISON = []

  constructor(random: Random, fleet: Fleet, startedAt: number) {
    this.#random = random
    this.#fleet = fleet
    this.fullPlant = fleet.fullPlant
    this.#clock = startedAt
    this.machines = fleet.machines.map((machine) => {
      // Soon it comes to the end of a block of the ledger.
      const first = Math.ceil((startedAt - random.below(DAY_MS)) / 1024) * 1024 - random.below(40)
      return {
        ...machine,
        ...{ tellsAll: random.chance(50), first, seq: first - 1, timestamp: startedAt - random.below(60_000) },
        ...{ late: { left: 0, timestamp: 0 }, bySeq: new Map(), missing: new Map(), deliveries: 0 },
      }
    })
  }

  /** Bodies of the deliveries of some `readings` readings, in order. */
  round(readings: number): string[] {
    this.#round += 1
    const made: Delivery[] = []
    for (let count = 0; count < readings; count += 1) {
      const machine = this.#random.pick(this.machines)
      made.push(...this.#read(machine))
      if (this.#random.chance(PERCENT.poison)) made.push(this.#poison(machine))
      if (this.#recent.length > 0 && this.#random.chance(PERCENT.repeat)) made.push(this.#repeat())
    }
    const held = this.#heldBack
    this.#heldBack = made.filter(() => this.#random.chance(PERCENT.heldBack))
    const late = new Set(this.#heldBack)
    return this.#deliver([...held, ...made.filter((delivery) => !late.has(delivery))])
  }

  /** What is still held back. */
  rest(): string[] {
    const held = this.#heldBack
    this.#heldBack = []
    return this.#deliver(held)
  }

  /** The newest readings of all machines, with one tag each, so that the state shows what all others have left. */
  closing(): string[] {
    const machines = Array.from({ length: CLOSING_READINGS }, () => this.machines).flat()
    return this.#deliver(
      machines.map((machine) => {
        machine.seq += 1
        return this.#send(machine, machine.seq, this.#content(this.#clock + 1, [this.#random.pick(TAGS)]))
      }),
    )
  }

  /** What each gateway declares of its machines: the seqs that it has allocated, and which of them it had to drop. */
  heartbeats(): string[] {
    const gateways = Map.groupBy(this.machines, ({ gateway }) => gateway)
    return [...gateways].map(([thingName, machines]) => {
      this.#clock += 1
      const begun = machines.filter(({ first, seq }) => seq >= first)
      const payload = {
        ...{ schemaVersion: 1, timestamp: this.#clock, state: 'online', sessionId: 'chaos' },
        gateway: { thingName, version: '1.0.0', uptimeSec: this.#round },
        health: { internet: 'up', mqtt: 'up', plcLink: 'up', buffer: { mode: 'live', queuedMessages: 0 } },
        ledger: Object.fromEntries(
          begun.map(({ slug, first, seq: last, missing }) => {
            const dropped = [...missing].flatMap(([seq, what]) => (what === 'dropped' ? [[seq, seq]] : []))
            return [slug, { first, last, dropped, pending: [] }]
          }),
        ),
      }
      return status({ ...machines[0]!.plant, thingName }, payload, { receivedAt: this.#clock })
    })
  }

  #deliver(deliveries: Delivery[]): string[] {
    const shuffled = this.#random.shuffled(deliveries)
    this.#recent = [...this.#recent, ...shuffled.filter(({ content }) => content !== undefined)].slice(-RECENT)
    return shuffled.map(({ body }) => body)
  }

  #read(machine: SentMachine): Delivery[] {
    machine.seq += 1
    const { seq } = machine
    if (this.#random.chance(PERCENT.withheld)) {
      machine.missing.set(seq, this.#random.pick(['dropped', 'lost']))
      return []
    }
    const content = this.#content(this.#timeOf(machine), this.#tags(machine))
    if (this.#round % 3 === 1) content.timestamp += this.#fleet.wrongClocks.get(machine.gateway) ?? 0
    if (content.timestamp > this.#clock + HOUR_MS) {
      machine.missing.set(seq, 'quarantined')
      return [this.#refuse(this.#body(machine, seq, content, machine.gateway), 'timestamp_in_future')]
    }
    if (!this.#random.chance(PERCENT.contradiction)) return [this.#send(machine, seq, content)]
    content.bodies = []
    const other = this.#contradict(content)
    return [this.#send(machine, seq, content), this.#send(machine, seq, other, machine.stranger)]
  }

  /** Now and then a gateway comes back with readings of past days; now and then two readings share their time. */
  #timeOf({ late, ...machine }: SentMachine): number {
    const random = this.#random
    if (late.left === 0 && random.chance(PERCENT.late)) {
      late.left = random.between(3, 30)
      late.timestamp = this.#clock - random.between(2, 25) * DAY_MS - random.below(HOUR_MS)
    }
    if (late.left > 0) {
      late.left -= 1
      late.timestamp += random.below(60_000)
      return late.timestamp
    }
    return random.chance(5) ? machine.timestamp : this.#clock - random.below(30_000)
  }

  #tags({ tellsAll }: SentMachine): string[] {
    const random = this.#random
    if (tellsAll && random.chance(90)) return TAGS
    const some = random.shuffled(TAGS).slice(0, random.between(1, TAGS.length))
    return !tellsAll && random.chance(30) ? [...some, random.pick(RARE_TAGS)] : some
  }

  #content(timestamp: number, tags: string[]): Content {
    const values = Object.fromEntries(tags.map((tag) => [tag, this.#value(tag)]))
    const bad = tags.filter((tag) => values[tag] === null || this.#random.chance(2))
    const quality = Object.fromEntries(bad.map((tag) => [tag, this.#random.pick(['bad', 'uncertain'] as const)]))
    return { timestamp, values, ...(bad.length > 0 && { quality }), receivedAt: [] }
  }

  #value(tag: string): Scalar {
    const random = this.#random
    if (random.chance(1)) return null
    if (tag === 'running') return random.chance(70)
    if (tag === 'state') return random.pick(['RUN', 'STOP', 'Störung', '維護', '"quoted"\n\\'])
    if (tag === 'count') return random.below(2 ** 31) * random.pick([1, -1, 1_000_003])
    return random.between(-500_000, 500_000) / random.pick([1, 8, 1000, 3])
  }

  #contradict(content: Content): Content {
    const tag = Object.keys(content.values)[0]!
    const other = { ...structuredClone(content), bodies: [], receivedAt: [] }
    if (this.#random.chance(50)) other.timestamp -= this.#random.between(1, 5_000)
    else other.values[tag] = 'another'
    return other
  }

  #send(machine: SentMachine, seq: number, content: Content, sender = machine.gateway): Delivery {
    const contents = machine.bySeq.get(seq)
    if (contents) contents.push(content)
    else machine.bySeq.set(seq, [content])
    machine.timestamp = content.timestamp
    return this.#note({ body: this.#body(machine, seq, content, sender), machine, content, seq })
  }

  /** The queue delivers the same message again, or the gateway publishes the reading again. */
  #repeat(): Delivery {
    const delivery = this.#random.pick(this.#recent)
    const { machine, content, seq } = delivery
    if (this.#random.chance(50)) return this.#note(delivery)
    return this.#note({ ...delivery, body: this.#body(machine!, seq!, content!, machine!.gateway) })
  }

  #note(delivery: Delivery): Delivery {
    delivery.machine!.deliveries += 1
    delivery.content!.bodies?.push(delivery.body)
    return delivery
  }

  #poison(machine: SentMachine): Delivery {
    if (this.#poisons.length === 0) this.#poisons = this.#random.shuffled(POISON)
    const { code, body } = this.#poisons.pop()!
    this.#clock += 1
    this.#messages += 1
    const origin = { fleet: this.#fleet, machine, receivedAt: this.#clock, traceId: `poison-${this.#messages}` }
    return this.#refuse(body(origin), code)
  }

  #refuse(body: string, code: IngestErrorCode): Delivery {
    this.refused.set(body, code)
    return { body }
  }

  #body(machine: SentMachine, seq: number, content: Content, clientId: string): string {
    this.#clock += 1
    this.#messages += 1
    const { timestamp, values, quality } = content
    content.receivedAt.push(this.#clock)
    const around = { clientId, receivedAt: this.#clock, traceId: `message-${this.#messages}` }
    return telemetry(machine.plant, machine.slug, { timestamp, seq, values, ...(quality && { quality }) }, around)
  }
}
