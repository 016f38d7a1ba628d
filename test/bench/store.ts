/**
 * Messages stored per second by the ingest bundle, one consumer, batch 1,000, against COPY of the same rows into a table
 * without keys. Envelopes are fed to the bundle as SQS records: the emulator's own ceiling (some 1,300 messages/s) would
 * hide what is measured.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { v7 as uuidv7 } from 'uuid'
import { buildBundle } from '../../cdk/constructs/bundle.ts'
import { migrateDatabase } from '../../lambdas/data/migrate-database.ts'
import { openPostgresAsMaster } from '../../lambdas/runtime/postgres.ts'
import { removePostgresData } from '../../local/postgres-home.ts'
import { startPostgres } from '../../local/postgres.ts'
import { startRedis } from '../../local/redis.ts'
import { median, type Figure } from './figure.ts'

const BATCH = 1000
const MACHINES = 1000
const BATCHES_PER_ROUND = 20
const ROUNDS = 5
const ROLE_PASSWORD = 'bench'
const THING = 'bench-gateway'

export async function benchStore(): Promise<Figure> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-store-'))
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres') })
  const redis = await startRedis({ dataDir: join(folder, 'redis') })
  try {
    const { host, port, user, password } = postgres
    const master = openPostgresAsMaster({ host, port, username: user, password, dbname: 'postgres' }, false)
    await migrateDatabase(master.db, { hotRetentionDays: 30, localRolePassword: ROLE_PASSWORD })
    await master.close()
    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    await seed(client)

    const bundle = join(folder, 'bundle')
    buildBundle('ingest', bundle)
    Object.assign(process.env, {
      PGHOST: host,
      PGPORT: String(port),
      PGDATABASE: 'postgres',
      PGUSER: 'iot_ingest',
      PGPASSWORD: ROLE_PASSWORD,
      REDIS_URL: redis.url,
      QUEUE_URL: 'http://127.0.0.1:9/000000000000/telemetry',
      DEAD_LETTER_QUEUE_URL: 'http://127.0.0.1:9/000000000000/dead-letters',
      FAN_OUT_QUEUE_URL: 'http://127.0.0.1:9/000000000000/fan-out.fifo',
      AWS_REGION: 'us-east-1',
      STAGE: 'bench',
      POWERTOOLS_SERVICE_NAME: 'ingest',
      POWERTOOLS_METRICS_NAMESPACE: 'bench',
      POWERTOOLS_METRICS_DISABLED: 'true',
      POWERTOOLS_LOG_LEVEL: 'ERROR',
    })
    const { handler } = (await import(pathToFileURL(join(bundle, 'index.mjs')).href)) as {
      handler: (event: SQSEvent, context: object) => Promise<SQSBatchResponse>
    }
    const store = async (event: SQSEvent) => {
      const answer = await handler(event, { functionName: 'ingest', awsRequestId: randomUUID() })
      if (answer.batchItemFailures.length > 0)
        throw new Error(`${answer.batchItemFailures.length} of ${BATCH} messages failed`)
    }

    const rounds = []
    await store(sqsEvent(readingsOf(0))) // machines are made, statements are planned
    for (let round = 1; round <= ROUNDS; round += 1) {
      const batches = Array.from({ length: BATCHES_PER_ROUND }, (_, i) => readingsOf(round * BATCHES_PER_ROUND + i))
      // Lambda hands the event over ready made.
      const ingestMs = await timeOf(batches.map(sqsEvent), store)
      const copyMs = await timeOf(batches, (readings) => copy(client, readings))
      rounds.push({ ratio: copyMs / ingestMs, perSecond: (BATCH * BATCHES_PER_ROUND * 1000) / ingestMs })
    }
    const { rows } = await client.query<{ count: string }>('select count(*)::text as count from telemetry_events')
    const expected = BATCH * (BATCHES_PER_ROUND * ROUNDS + 1)
    if (Number(rows[0]!.count) !== expected) throw new Error(`${rows[0]!.count} rows stored, not ${expected}`)
    await client.end()

    const ratio = median(rounds.map((round) => round.ratio))
    const perSecond = median(rounds.map((round) => round.perSecond))
    return {
      what: 'stored per second by the ingest bundle, batch 1,000, against COPY without keys',
      measured: `${ratio.toFixed(2)} (${Math.round(perSecond)} messages/s; rounds ${rounds.map((r) => r.ratio.toFixed(2)).join(' ')})`,
      toReach: 'at least 0.20',
      reached: ratio >= 0.2,
    }
  } finally {
    await redis.stop()
    await postgres.stop()
    removePostgresData(join(folder, 'postgres'))
    rmSync(folder, { recursive: true, force: true })
  }
}

interface BenchReading {
  machine: string
  timestamp: number
  seq: number
  values: Record<string, number>
}

const firstSeq = Date.now()

/** One reading of each machine, ten tags. */
function readingsOf(round: number): BenchReading[] {
  const timestamp = Date.now() - 60_000 + round * 100
  return Array.from({ length: BATCH }, (_, index) => ({
    machine: `machine-${index % MACHINES}`,
    timestamp,
    seq: firstSeq + round,
    values: Object.fromEntries(Array.from({ length: 10 }, (_tag, tag) => [`tag-${tag}`, round + tag + index / 8])),
  }))
}

const sqsEvent = (readings: BenchReading[]): SQSEvent => ({
  Records: readings.map(({ machine, ...reading }) => ({
    messageId: randomUUID(),
    receiptHandle: 'bench',
    body: JSON.stringify({
      payload: Buffer.from(JSON.stringify({ schemaVersion: 1, ...reading })).toString('base64'),
      topic: `factory/bench/ba/plant/${machine}/telemetry`,
      clientId: THING,
      receivedAt: Date.now(),
      traceId: 'bench',
    }),
    attributes: {
      ApproximateReceiveCount: '1',
      SentTimestamp: '0',
      SenderId: 'bench',
      ApproximateFirstReceiveTimestamp: '0',
    },
    messageAttributes: {},
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:telemetry',
    awsRegion: 'us-east-1',
  })),
})

async function timeOf<Batch>(batches: Batch[], store: (batch: Batch) => Promise<void>): Promise<number> {
  const started = performance.now()
  for (const batch of batches) await store(batch)
  return performance.now() - started
}

/** The same columns and types as telemetry_events, one COPY and one commit per batch. */
async function copy(client: pg.Client, readings: BenchReading[]): Promise<void> {
  const lines = readings.map(({ timestamp, seq, values }) =>
    [TENANT, MACHINE, timestamp, seq, timestamp, JSON.stringify(values), '\\N'].join('\t'),
  )
  await pipeline(Readable.from([`${lines.join('\n')}\n`]), client.query(copyFrom('copy bench_copy from stdin')))
}

const TENANT = uuidv7()
const MACHINE = uuidv7()
const PLANT = uuidv7()

/** A tenant with a plant and a gateway, room for the machines, and the table without keys. */
async function seed(client: pg.Client): Promise<void> {
  const now = Date.now()
  await client.query('insert into tenants (id, slug, name, created_at) values ($1, $2, $2, $3)', [TENANT, 'bench', now])
  await client.query(
    `insert into plants (id, tenant_id, province, slug, name, time_zone, created_at, updated_at)
     values ($1, $2, 'ba', 'plant', 'Bench', 'UTC', $3, $3)`,
    [PLANT, TENANT, now],
  )
  await client.query(
    'insert into gateways (id, tenant_id, plant_id, thing_name, created_at) values ($1, $2, $3, $4, $5)',
    [uuidv7(), TENANT, PLANT, THING, now],
  )
  // More machines than a plant may make by itself: as an admin would have made them.
  await client.query(
    `insert into machines (id, tenant_id, plant_id, slug, status, created_at, updated_at)
     select gen_random_uuid(), $1, $2, 'machine-' || n, 'active', $3, $3 from generate_series(0, ${MACHINES - 1}) n`,
    [TENANT, PLANT, now],
  )
  await client.query(`create table bench_copy (tenant_id uuid not null, machine_id uuid not null, ts int8 not null,
    seq int8 not null, received_at int8 not null, values jsonb not null, quality jsonb)`)
}
