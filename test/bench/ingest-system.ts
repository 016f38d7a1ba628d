/** What the ingest benches run against: Postgres with a tenant and its machines, Redis, and consumers of the bundle. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import { buildBundle } from '../../cdk/constructs/bundle.ts'
import { migrateDatabase } from '../../lambdas/data/migrate-database.ts'
import { openPostgresAsMaster } from '../../lambdas/runtime/postgres.ts'
import { removePostgresData } from '../../local/postgres-home.ts'
import { startPostgres } from '../../local/postgres.ts'
import { startRedis } from '../../local/redis.ts'
import { MACHINES, PLANT, TENANT, THING } from './ingest-readings.ts'
import type { Task } from './ingest-worker.ts'

const ROLE_PASSWORD = 'bench'
const HOT_RETENTION_DAYS = 30
/** Variables of the functions' queues. */
export const QUEUES = [
  ...['QUEUE_URL', 'DEAD_LETTER_QUEUE_URL', 'FAN_OUT_QUEUE_URL', 'ALARM_QUEUE_URL', 'EXPORT_QUEUE_URL'],
  ...['TELEMETRY_QUEUE_URL', 'STATUS_QUEUE_URL', 'RULE_ERRORS_URL'],
  ...['TELEMETRY_DEAD_LETTERS_URL', 'STATUS_DEAD_LETTERS_URL'],
]

export interface Consumer {
  /** One task at a time. */
  do(task: Task): Promise<void>
}

export interface IngestSystem {
  client: pg.Client
  /** URL of the bundle's module, and what any function needs around it. */
  bundle: string
  environment: NodeJS.ProcessEnv
  connect(): Promise<pg.Client>
  consumers(count: number): Promise<Consumer[]>
  stop(): Promise<void>
}

export async function startIngestSystem(): Promise<IngestSystem> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-ingest-'))
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres') })
  const redis = await startRedis({ dataDir: join(folder, 'redis') })
  const { host, port, user, password } = postgres
  const master = openPostgresAsMaster({ host, port, username: user, password, dbname: 'postgres' }, false)
  await migrateDatabase(master.db, { hotRetentionDays: HOT_RETENTION_DAYS, localRolePassword: ROLE_PASSWORD })
  await master.close()
  buildBundle('ingest', join(folder, 'bundle'))

  const clients: pg.Client[] = []
  const workers: Worker[] = []
  const connect = async () => {
    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    clients.push(client)
    return client
  }
  const client = await connect()
  await seed(client)
  const environment = {
    ...process.env,
    PGHOST: host,
    PGPORT: String(port),
    PGDATABASE: 'postgres',
    PGUSER: 'iot_ingest',
    PGPASSWORD: ROLE_PASSWORD,
    REDIS_URL: redis.url,
    // Nothing is refused, and nobody watches: no request is ever sent there.
    ...Object.fromEntries(QUEUES.map((name) => [name, `http://127.0.0.1:9/000000000000/${name}`])),
    ...{ ARCHIVE_BUCKET: 'archive', EXPORTS_BUCKET: 'exports', WEBHOOK_KEY_SECRET_ARN: 'arn' },
    ...{ API_URL: 'https://api.example.com', REALTIME_URL: 'wss://live.example.com', MAIL_FROM: '', PAGE_URL: '' },
    ...{ FIREBASE_PROJECT_ID: 'demo', FIREBASE_API_KEY: 'key', FIREBASE_SECRET_ARN: 'arn' },
    HOT_RETENTION_DAYS: String(HOT_RETENTION_DAYS),
    AWS_REGION: 'us-east-1',
    STAGE: 'bench',
    POWERTOOLS_SERVICE_NAME: 'ingest',
    POWERTOOLS_METRICS_NAMESPACE: 'bench',
    POWERTOOLS_METRICS_DISABLED: 'true',
    POWERTOOLS_LOG_LEVEL: 'ERROR',
  }
  const bundle = pathToFileURL(join(folder, 'bundle/index.mjs')).href

  async function consumer(): Promise<Consumer> {
    const worker = new Worker(new URL('ingest-worker.ts', import.meta.url), {
      env: environment,
      workerData: { bundle },
    })
    workers.push(worker)
    // An error in the thread rejects whoever waits for it.
    await once(worker, 'message')
    return {
      async do(task) {
        const done = once(worker, 'message')
        worker.postMessage(task)
        await done
      },
    }
  }

  return {
    client,
    bundle,
    environment,
    connect,
    consumers: (count) => Promise.all(Array.from({ length: count }, consumer)),
    async stop() {
      await Promise.all(workers.map((worker) => worker.terminate()))
      await Promise.all(clients.map((one) => one.end()))
      await redis.stop()
      await postgres.stop()
      removePostgresData(join(folder, 'postgres'))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A tenant with a plant, a gateway, and more machines than a plant may make by itself. */
async function seed(client: pg.Client): Promise<void> {
  const [tenant, plant, now] = [uuidv7(), uuidv7(), Date.now()]
  await client.query('insert into tenants (id, slug, name, created_at) values ($1, $2, $2, $3)', [tenant, TENANT, now])
  await client.query(
    `insert into plants (id, tenant_id, province, slug, name, time_zone, created_at, updated_at)
     values ($1, $2, 'ba', $3, 'Bench', 'UTC', $4, $4)`,
    [plant, tenant, PLANT, now],
  )
  await client.query(
    'insert into gateways (id, tenant_id, plant_id, thing_name, created_at) values ($1, $2, $3, $4, $5)',
    [uuidv7(), tenant, plant, THING, now],
  )
  await client.query(
    `insert into machines (id, tenant_id, plant_id, slug, status, created_at, updated_at)
     select gen_random_uuid(), $1, $2, 'machine-' || n, 'active', $3, $3 from generate_series(0, ${MACHINES - 1}) n`,
    [tenant, plant, now],
  )
}
