/**
 * The chaos run in small: random batches through the handler, one after the other, so that a model of a few lines knows
 * what becomes of each message. A failure shows the shortest sequence that fast-check has found, and its seed.
 */
import fc from 'fast-check'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import type { IngestErrorCode } from '../../schemas/error-codes.ts'
import { newestState, type StoredReading } from '../chaos/newest-state.ts'
import { startSqsProxy, type SqsProxy } from '../chaos/sqs-proxy.ts'
import { storedMachines } from '../chaos/stored-machines.ts'
import { telemetry } from '../helpers/envelopes.ts'
import { startConsumer } from '../helpers/ingest.ts'
import { createPlant, type TestPlant } from '../helpers/plant.ts'
import { sqsEvent } from '../helpers/sqs.ts'

let consumer: Awaited<ReturnType<typeof startConsumer>>
let proxy: SqsProxy
const redis = createClient({ url: inject('redisUrl') })

beforeAll(async () => {
  await redis.connect()
  consumer = await startConsumer('ingest', {
    between: async (url) => {
      proxy = await startSqsProxy(url)
      return proxy.url
    },
  })
})
afterAll(async () => {
  redis.destroy()
  await consumer.stop()
  await proxy.stop()
})

const now = Date.now()
const DAY_MS = 86_400_000
const TIMES = { now, later: now + 1, late: now - 3 * DAY_MS, tooOld: now - 40 * DAY_MS }

interface Reading {
  machine: string
  seq: number
  time: keyof typeof TIMES
  tag: string
  value: number
  receivedAt: number
}
type Message = Reading | { poison: keyof typeof POISON }
type Harm = 'none' | 'twice' | 'database away' | 'connection killed' | 'dead letters refused'

const POISON = {
  invalid_json: (plant: TestPlant) => telemetry(plant, 'a', {}, { payload: '{' }),
  invalid_payload: (plant: TestPlant) => telemetry(plant, 'a', { seq: -1 }),
  timestamp_in_future: (plant: TestPlant) => telemetry(plant, 'a', { timestamp: now + DAY_MS }),
  unknown_tenant: (plant: TestPlant) => telemetry({ ...plant, tenant: 'nobody' }, 'a', {}),
  unknown_gateway: (plant: TestPlant) => telemetry(plant, 'a', {}, { clientId: 'stranger' }),
} satisfies Partial<Record<IngestErrorCode, (plant: TestPlant) => string>>

/** Few of everything, so that repeats and contradictions are common; seqs of three blocks of the ledger, mostly of the second. */
const reading = fc.record<Reading>({
  machine: fc.constantFrom('a', 'b'),
  seq: fc.constantFrom(0, 1023, 1024, 1025, 1026, 1027, 2048, 2049),
  time: fc.constantFrom('now', 'now', 'later', 'late', 'tooOld'),
  tag: fc.constantFrom('t', 't', 't', 'p'),
  value: fc.integer({ min: 0, max: 1 }),
  receivedAt: fc.integer({ min: now, max: now + 2 }),
})
const poison = fc.record({ poison: fc.constantFrom(...(Object.keys(POISON) as (keyof typeof POISON)[])) })
const delivery = fc.record({
  batch: fc.array(fc.oneof({ weight: 6, arbitrary: reading }, { weight: 1, arbitrary: poison }), { minLength: 1 }),
  harm: fc.constantFrom<Harm>('none', 'none', 'twice', 'database away', 'connection killed', 'dead letters refused'),
})

/** What must be stored, and what is to be said of each message. */
class Model {
  readonly stored = new Map<string, Reading>()
  /** Deliveries of seqs that were known; others may be counted too, of messages that are refused or came back. */
  repeats = 0

  /** Codes of the messages that are refused, by place in the batch. A batch stores of each seq the first, a hot one if there is one. */
  deliver(batch: Message[]): Map<number, IngestErrorCode> {
    const refused = new Map<number, IngestErrorCode>()
    const places = batch.map((message, place) => ({ message, place }))
    for (const { message, place } of places) if ('poison' in message) refused.set(place, message.poison)
    const readings = places.flatMap(({ message, place }) => ('poison' in message ? [] : [{ ...message, place }]))
    const hotFirst = [...readings.filter(isHot), ...readings.filter((one) => !isHot(one))]
    for (const { place, ...one } of hotFirst) {
      const known = this.stored.get(keyOf(one))
      if (isHot(one) && known === undefined) this.stored.set(keyOf(one), one)
      else {
        if (known) this.repeats += 1
        if (!isHot(one) && known === undefined) refused.set(place, 'timestamp_too_old')
        if (isHot(one) && known && !isSame(one, known)) refused.set(place, 'seq_conflict')
      }
    }
    return refused
  }
}

const isHot = ({ time }: Reading) => time !== 'tooOld'
const keyOf = ({ machine, seq }: Reading) => `${machine}/${seq}`
const isSame = (one: Reading, two: Reading) => one.time === two.time && one.tag === two.tag && one.value === two.value

/** Refused before the database is asked. */
const isBad = (message: Message) =>
  'poison' in message && ['invalid_json', 'invalid_payload', 'timestamp_in_future'].includes(message.poison)

let plants = 0

test(
  'random deliveries with faults between them: each reading once, each refusal once with its code',
  { timeout: 60_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(delivery, { minLength: 1, maxLength: 5 }), async (deliveries) => {
        await consumer.queues.drain('dead-letters') // of a run that has failed
        plants += 1
        const plant = await createPlant(consumer.database.master, `model-${plants}`)
        const model = new Model()
        for (const { batch, harm } of deliveries) {
          const bodies = batch.map((message) => bodyOf(plant, message))
          const rounds = harm === 'twice' ? 2 : 1
          const expected = Array.from({ length: rounds }, () =>
            [...model.deliver(batch)].map(([place, code]) => [code, bodies[place]]),
          )
          await deliver(batch, bodies, harm)
          const letters = await consumer.queues.drain('dead-letters')
          const refused = letters.map((letter) => [letter.MessageAttributes!['errorCode']!.StringValue, letter.Body])
          expect(refused.toSorted()).toEqual(expected.flat().toSorted())
        }
        await compare(plant, model)
      }),
      { numRuns: 40 },
    )
  },
)

async function deliver(batch: Message[], bodies: string[], harm: Harm): Promise<void> {
  const { Records } = sqsEvent(bodies)
  const ids = Records.map(({ messageId }) => messageId)
  const { database, handle } = consumer
  /** Ids of those that come back. */
  const send = async (wanted = ids) => {
    const records = Records.filter(({ messageId }) => wanted.includes(messageId))
    return (await handle({ Records: records })).batchItemFailures.map(({ itemIdentifier }) => itemIdentifier)
  }
  const needDatabase = ids.filter((_, place) => !isBad(batch[place]!))
  let left: string[] = []
  if (harm === 'none') expect(await send()).toEqual([])
  if (harm === 'twice') expect(await Promise.all([send(), send()])).toEqual([[], []])
  if (harm === 'database away') {
    await database.letIn(false)
    left = await send()
    expect(left.toSorted()).toEqual(needDatabase.toSorted())
    await database.letIn(true)
  }
  if (harm === 'connection killed') {
    await database.letIn(false)
    await database.letIn(true)
    left = await send()
    expect([[], needDatabase.toSorted()]).toContainEqual(left.toSorted())
  }
  if (harm === 'dead letters refused') {
    const before = proxy.counts.refused
    proxy.refuse('dead-letters', 'partly')
    left = await send()
    proxy.mend()
    expect(left).toHaveLength(proxy.counts.refused - before)
  }
  // The first statement after an outage may still meet the connection that was lost.
  for (let tries = 0; left.length > 0 && tries < 5; tries += 1) left = await send(left)
  expect(left).toEqual([])
}

async function compare(plant: TestPlant, model: Model): Promise<void> {
  const stored = await storedMachines(consumer.database.master, redis, plant)
  const expected = Map.groupBy(model.stored.values(), ({ machine }) => machine)
  expect([...stored.keys()].toSorted()).toEqual([...expected.keys()].toSorted())
  for (const [machine, readings] of expected) {
    const { rows, ledger, state, cached } = stored.get(machine)!
    const inOrder = readings.map(storedReading).toSorted((one, two) => one.seq - two.seq)
    expect(rows.toSorted((one, two) => one.seq - two.seq)).toEqual(inOrder)
    expect(ledger).toEqual(new Set(readings.map(({ seq }) => seq)))
    const newest = newestState(inOrder)
    expect(state).toEqual(newest)
    expect(cached?.state).toMatchObject({ timestamp: newest.ts, seq: newest.seq, values: newest.values })
  }
  const repeats = [...stored.values()].reduce((sum, one) => sum + one.repeats, 0)
  expect(repeats).toBeGreaterThanOrEqual(model.repeats)
}

const storedReading = ({ seq, time, tag, value, receivedAt }: Reading): StoredReading => ({
  ...{ seq, timestamp: TIMES[time], receivedAt },
  values: { [tag]: value },
})

function bodyOf(plant: TestPlant, message: Message): string {
  if ('poison' in message) return POISON[message.poison](plant)
  const { timestamp, seq, values, receivedAt } = storedReading(message)
  return telemetry(plant, message.machine, { timestamp, seq, values }, { receivedAt })
}
