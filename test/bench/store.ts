/**
 * Messages stored per second by the ingest bundle. Envelopes are fed to it as SQS records: the emulator's own ceiling
 * (some 1,300 messages/s) would hide what is measured. Each round runs all sides one after the other, so that a noisy
 * machine disturbs them alike.
 */
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../lambdas/data/database.ts'
import { copyReadings, createKeylessTable } from './copy.ts'
import { type Figure, median } from './figure.ts'
import { type BenchReading, MACHINES, readingsOf, type Step } from './ingest-readings.ts'
import { type Consumer, type IngestSystem, startIngestSystem } from './ingest-system.ts'

const ROUNDS = 7
/** In batches, whatever their size. */
const MESSAGES_PER_ROUND = 30_000
const SMALL_MESSAGES_PER_ROUND = 3_000

export async function benchStore(): Promise<Figure[]> {
  const system = await startIngestSystem()
  try {
    await createKeylessTable(system.client)
    const consumers = await system.consumers(3)
    const copiers = [system.client, await system.connect(), await system.connect()]
    const load = endlessLoad()
    await ingest(consumers, load(MESSAGES_PER_ROUND, MACHINES)) // statements are planned, names are known

    const bulk = []
    for (let round = 0; round < ROUNDS; round += 1) {
      const steps = load(MESSAGES_PER_ROUND, 1000)
      bulk.push({
        ingestOne: await ingest(consumers.slice(0, 1), steps.splice(0, 10)),
        ingest: await ingest(consumers, load(MESSAGES_PER_ROUND, 1000)),
        copyOne: await copy(copiers.slice(0, 1), load(10_000, 1000)),
        copy: await copy(copiers, load(MESSAGES_PER_ROUND, 1000)),
      })
    }
    const small = await benchSmallBatches(system.client, consumers, load)
    const intervals = await benchIntervals(consumers, load)
    const holes = await benchHoles(system, consumers, load)
    const { rows } = await system.client.query<{ same: boolean }>(
      `select (select count(*) from telemetry_events) = (select sum(bit_count(received)) from machine_ledger) - ${holes.prefilled} as same`,
    )
    if (!rows[0]!.same) throw new Error('rows and ledger differ')

    const ratio = (pairs: { ours: number; theirs: number }[]) => median(pairs.map((pair) => pair.ours / pair.theirs))
    const perSecond = (rates: number[]) => `${Math.round(median(rates)).toLocaleString('en')} messages/s`
    const one = ratio(bulk.map((round) => ({ ours: round.ingestOne, theirs: round.copyOne })))
    const three = ratio(bulk.map((round) => ({ ours: round.ingest, theirs: round.copy })))
    const threeToOne = ratio(bulk.map((round) => ({ ours: round.ingest, theirs: round.copyOne })))
    return [
      {
        what: 'ingest bundle, batch 1,000, one consumer, against COPY of the same rows without keys',
        measured: `${one.toFixed(2)} (${perSecond(bulk.map((round) => round.ingestOne))})`,
        toReach: 'at least 0.20',
        reached: one >= 0.2,
      },
      {
        what: 'the same, 3 consumers against 3 COPY connections',
        measured: `${three.toFixed(2)} (${perSecond(bulk.map((round) => round.ingest))}; against one COPY connection ${threeToOne.toFixed(2)})`,
        toReach: 'at least 0.25',
        reached: three >= 0.25,
      },
      holes.figure,
      intervals,
      small,
    ]
  } finally {
    await system.stop()
  }
}

/** A block of the ledger ends with the first readings: after them each machine is in its open one, as it is but at its beginning. */
const FIRST_SEQ = Math.ceil(Date.now() / 1024) * 1024 - 5

/** Steps that go on where the last ones ended, so that every reading is new, and the newest of its machine. */
function endlessLoad() {
  const since = Date.now() - 60_000
  let place = 0
  return (messages: number, size: number, { firstSeq = FIRST_SEQ, seqStep = 1, slowTags = 0 } = {}): Step[] =>
    Array.from({ length: messages / size }, () => {
      const step = { round: 0, first: place, size, firstSeq, seqStep, since, slowTags }
      place += size
      return step
    })
}

/** Messages per second. */
async function ingest(consumers: Consumer[], steps: Step[]): Promise<number> {
  await Promise.all(
    consumers.map((consumer, index) =>
      consumer.do({ prepare: steps.filter((_, step) => step % consumers.length === index) }),
    ),
  )
  return rateOf(steps, () => Promise.all(consumers.map((consumer) => consumer.do({ run: true }))))
}

async function copy(clients: pg.Client[], steps: Step[]): Promise<number> {
  const shares = clients.map((_, index) =>
    steps.filter((_step, step) => step % clients.length === index).map((step) => readingsOf(step)),
  )
  return rateOf(steps, () =>
    Promise.all(
      clients.map(async (client, index) => {
        for (const readings of shares[index]!) await copyReadings(client, readings)
      }),
    ),
  )
}

async function rateOf(steps: Step[], work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (1000 * steps.reduce((sum, step) => sum + step.size, 0)) / (performance.now() - started)
}

/** Machines whose readings have now all of their tags, now some, so that their states are put together from several. */
async function benchIntervals(consumers: Consumer[], load: ReturnType<typeof endlessLoad>): Promise<Figure> {
  const rounds = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const mixed = await ingest(consumers, load(MESSAGES_PER_ROUND, 1000, { slowTags: 2 }))
    await ingest(consumers, load(MACHINES, MACHINES)) // all tags again, so that the next ones are of one reading
    rounds.push({ whole: await ingest(consumers, load(MESSAGES_PER_ROUND, 1000)), mixed })
  }
  const slower = median(rounds.map(({ whole, mixed }) => whole / mixed))
  return {
    what: 'the same with 2 of 10 tags in each tenth reading only: times slower',
    measured: slower.toFixed(2),
    toReach: 'at most 2',
    reached: slower <= 2,
  }
}

/** The ledger of each machine gets 20 blocks in which every second seq is missing, and goes on so. */
async function benchHoles(
  system: IngestSystem,
  consumers: Consumer[],
  load: ReturnType<typeof endlessLoad>,
): Promise<{ figure: Figure; prefilled: number }> {
  const BLOCKS = 20
  const firstSeq = 2 ** 42
  const prefilled = MACHINES * BLOCKS * 512
  await system.client.query(
    `insert into closed_blocks (tenant_id, machine_id, block, received)
     select tenant_id, id, $1::int8 / 1024 + n, repeat('10', 512)::bit(1024) from machines, generate_series(0, $2::int8 - 1) n`,
    [firstSeq, BLOCKS],
  )
  const rounds = []
  for (let round = 1; round <= ROUNDS; round += 1) {
    // A machine's seqs grow, so each run begins after all others.
    const from = (run: number) => firstSeq + (2 * round + run) * 2 ** 20
    rounds.push({
      dense: await ingest(consumers, load(MESSAGES_PER_ROUND, 1000, { firstSeq: from(0) })),
      sparse: await ingest(consumers, load(MESSAGES_PER_ROUND, 1000, { firstSeq: from(1), seqStep: 2 })),
    })
  }
  const slower = median(rounds.map((round) => round.dense / round.sparse))
  const figure = {
    what: 'the same with 10,000 holes per machine: times slower',
    measured: slower.toFixed(2),
    toReach: 'at most 1.2',
    reached: slower <= 1.2,
  }
  return { figure, prefilled }
}

/** Batches of 10, as the profile `live` has them, against an insert for each message into the same table. */
async function benchSmallBatches(
  client: pg.Client,
  consumers: Consumer[],
  load: ReturnType<typeof endlessLoad>,
): Promise<Figure> {
  const { host, port, user, password, database } = client
  const pools = consumers.map(() => new pg.Pool({ host, port, user, password: password!, database: database!, max: 1 }))
  const writers = pools.map((pool) => new Kysely<Database>({ dialect: new PostgresDialect({ pool }) }))
  const tenant_id = uuidv7()
  const ids = new Map(Array.from({ length: MACHINES }, (_, n) => [`machine-${n}`, uuidv7()]))
  const insert = (db: Kysely<Database>, { machine, timestamp, seq, values }: BenchReading) =>
    db
      .insertInto('telemetry_events')
      .values({
        tenant_id,
        machine_id: ids.get(machine)!,
        ts: timestamp,
        seq,
        received_at: timestamp,
        values: JSON.stringify(values),
        quality: null,
      })
      .execute()
  const rounds = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const steps = load(SMALL_MESSAGES_PER_ROUND, 10)
    const ours = await ingest(consumers, steps)
    const theirs = await rateOf(steps, () =>
      Promise.all(
        writers.map(async (db, index) => {
          for (const reading of steps.filter((_, step) => step % 3 === index).flatMap(readingsOf))
            await insert(db, reading)
        }),
      ),
    )
    rounds.push({ ours, theirs })
  }
  await Promise.all(writers.map((db) => db.destroy()))
  await client.query('delete from telemetry_events where tenant_id = $1', [tenant_id])
  const times = median(rounds.map(({ ours, theirs }) => ours / theirs))
  return {
    what: 'profile live, batch 10, 3 consumers, against one insert per message through Kysely on 3 connections',
    measured: `${times.toFixed(1)} times (${Math.round(median(rounds.map(({ ours }) => ours))).toLocaleString('en')} messages/s)`,
    toReach: 'at least 10 times',
    reached: times >= 10,
  }
}
