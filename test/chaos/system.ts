/** The path under test: what npm start runs from the rules engine's queue on, with lines that can be cut. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { buildBundle } from '../../cdk/constructs/bundle.ts'
import { migrateDatabase } from '../../lambdas/data/migrate-database.ts'
import { openPostgresAsMaster } from '../../lambdas/runtime/postgres.ts'
import { ACCOUNT_ID, arn, REGION } from '../../local/aws-identity.ts'
import { LambdaFunction } from '../../local/lambda/function.ts'
import { openLogFile } from '../../local/lambda/log-file.ts'
import { Lifetime } from '../../local/lifetime.ts'
import { postgresDataDir, removePostgresData } from '../../local/postgres-home.ts'
import { startPostgres } from '../../local/postgres.ts'
import { startRedis } from '../../local/redis.ts'
import { EventSource } from '../../local/sqs/event-source.ts'
import { Guard } from '../../local/iam/guard.ts'
import { type Queue, startQueueServer } from '../../local/sqs/queue-server.ts'
import { SqsStore } from '../../node_modules/fauxqs/dist/sqs/sqsStore.js'
import { startTcpProxy } from '../helpers/tcp-proxy.ts'
import { Consumers } from './consumers.ts'
import { startSqsProxy } from './sqs-proxy.ts'
import { Threads } from './threads.ts'

export const DEAD_LETTERS = 'telemetry-dead-letters'
/** Above the 350 readings that ingest stores in one statement, so that batches have parts. */
const BATCH_SIZE = 400
/** Lambda demands 1 s; a shorter one only makes the run quicker. */
const WINDOW_SEC = 0.2
/** Consumers of each queue. */
export const CONCURRENCY = 3
/** Of the queues. Short against the 180 s of the template, so that what a dead consumer held is soon seen again. */
const VISIBILITY_SEC = 5
const ROLE_PASSWORD = 'chaos'

pg.types.setTypeParser(pg.types.builtins.INT8, Number)

export type System = Awaited<ReturnType<typeof startSystem>>

/** All data is in `folder`. Postgres syncs to disk as in production: what it has committed must survive its kill. */
export async function startSystem(folder: string) {
  const lifetime = new Lifetime()
  try {
    return await start(folder, lifetime)
  } catch (error) {
    await lifetime.end()
    throw error
  }
}

async function start(folder: string, lifetime: Lifetime) {
  const postgresDir = join(folder, 'postgres')
  const redisDir = join(folder, 'redis')
  let postgres = await startPostgres({ dataDir: postgresDir })
  await lifetime.own('Postgres', postgres, async () => {
    await postgres.stop()
    removePostgresData(postgresDir)
  })
  let redis = await startRedis({ dataDir: redisDir })
  await lifetime.own('Redis', redis, () => redis.stop())
  const { user: username, password } = postgres
  const master = openPostgresAsMaster({ ...postgres, username, password, dbname: 'postgres' }, false)
  await migrateDatabase(master.db, { hotRetentionDays: 30, localRolePassword: ROLE_PASSWORD })
  await master.close()

  const database = { host: '127.0.0.1', port: postgres.port }
  const cache = { host: '127.0.0.1', port: Number(new URL(redis.url).port) }
  const databaseLine = await lifetime.own('line to Postgres', startTcpProxy(database), (line) => line.stop())
  const cacheLine = await lifetime.own('line to Redis', startTcpProxy(cache), (line) => line.stop())
  const server = startQueueServer({ dataDir: join(folder, 'queues'), port: 0, guard: new Guard() })
  const queues = await lifetime.own('queues', server, (started) => started.stop())
  const sqs = await lifetime.own('line to SQS', startSqsProxy(queues.url), (line) => line.stop())
  const deadLetters = queues.createQueue(DEAD_LETTERS, { VisibilityTimeout: String(VISIBILITY_SEC) })
  queues.createQueue('fan-out.fifo', { FifoQueue: 'true' })
  queues.createQueue('alarms', {})
  const telemetry = queues.createQueue('telemetry', {
    VisibilityTimeout: String(VISIBILITY_SEC),
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: deadLetters.arn, maxReceiveCount: 1000 }),
  })

  const statuses = queues.createQueue('status', { VisibilityTimeout: String(VISIBILITY_SEC) })

  const log = await lifetime.own('log', openLogFile(join(folder, 'functions.log')), (file) => file.close())
  const queueUrl = (name: string) => `${sqs.url}/${ACCOUNT_ID}/${name}`
  const threads = await lifetime.own('threads', new Threads(), (all) => all.stop())
  const settingsOf = (name: string, role: string, environment: Record<string, string>) => {
    buildBundle(name, join(folder, name))
    return {
      name,
      arn: arn('lambda', `function:${name}`),
      file: join(folder, name, 'index.mjs'),
      exportName: 'handler',
      environment: {
        PGHOST: '127.0.0.1',
        PGPORT: String(databaseLine.port),
        PGDATABASE: 'postgres',
        PGUSER: role,
        PGPASSWORD: ROLE_PASSWORD,
        AWS_ENDPOINT_URL_SQS: sqs.url,
        AWS_REGION: REGION,
        AWS_ACCESS_KEY_ID: 'chaos',
        AWS_SECRET_ACCESS_KEY: 'chaos',
        POWERTOOLS_SERVICE_NAME: name,
        POWERTOOLS_METRICS_NAMESPACE: 'IotTelemetry',
        POWERTOOLS_METRICS_DISABLED: 'true',
        POWERTOOLS_LOG_LEVEL: 'ERROR',
        ...environment,
      },
      memoryMb: 1024,
      timeoutSec: 30,
      maxInstances: CONCURRENCY,
    }
  }
  const consume = async (name: string, queue: Queue, role: string, environment: Record<string, string>) => {
    const settings = settingsOf(name, role, environment)
    const consumers = new Consumers(queue, settings, (line) => log.write(line))
    await lifetime.own(name, consumers, () => consumers.stop())
    const batching = { batchSize: BATCH_SIZE, windowSec: WINDOW_SEC, reportsItemFailures: true }
    const source = new EventSource(queue, queues, consumers, { ...batching, maxConcurrency: CONCURRENCY })
    source.start()
    await lifetime.own(`event source of ${name}`, source, () => source.stop())
    return consumers
  }
  const live = {
    REDIS_URL: `redis://127.0.0.1:${cacheLine.port}`,
    FAN_OUT_QUEUE_URL: queueUrl('fan-out.fifo'),
    ALARM_QUEUE_URL: queueUrl('alarms'),
  }
  const ingest = await consume('ingest', telemetry, 'iot_ingest', {
    ...live,
    QUEUE_URL: queueUrl('telemetry'),
    DEAD_LETTER_QUEUE_URL: queueUrl(DEAD_LETTERS),
  })
  const status = await consume('status', statuses, 'iot_ingest', {
    ...live,
    QUEUE_URL: queueUrl('status'),
    DEAD_LETTER_QUEUE_URL: queueUrl('status-dead-letters'),
  })
  const quarantine = await consume('quarantine', deadLetters, 'iot_quarantine', {
    TELEMETRY_DEAD_LETTERS_URL: queueUrl(DEAD_LETTERS),
    STATUS_DEAD_LETTERS_URL: queueUrl('status-dead-letters'),
    RULE_ERRORS_URL: queueUrl('rule-errors'),
  })

  const rollup = new LambdaFunction(settingsOf('rollup', 'iot_rollup', {}), (line) => log.write(line))
  await lifetime.own('rollup', rollup, () => rollup.stop())

  return {
    ingest,
    status,
    quarantine,
    rollup,
    threads,
    sqs,
    databaseLine,
    cacheUrl: () => redis.url,
    logFile: join(folder, 'functions.log'),
    /** Past the line that faults cut, as the server's superuser, whom row security does not bind. */
    async withDatabase<Result>(work: (pool: pg.Pool) => Promise<Result>): Promise<Result> {
      const pool = new pg.Pool({ connectionString: postgres.url, max: 1 })
      pool.on('error', () => undefined)
      try {
        return await work(pool)
      } finally {
        await pool.end()
      }
    },
    /** As the rules engine does. */
    send(bodies: string[], to: Consumers) {
      for (const body of bodies) to.queue.enqueue(SqsStore.createMessage(body))
    },
    /** kill -9 of the server; its backends end when they see that it is gone. */
    killPostgres() {
      process.kill(Number(readFileSync(join(postgresDataDir(postgresDir), 'postmaster.pid'), 'utf8').split('\n')[0]), 9)
    },
    async startPostgresAgain() {
      postgres = await startPostgres({ dataDir: postgresDir, port: postgres.port })
      database.port = postgres.port
    },
    stopRedis: () => redis.stop(),
    async startRedisAgain() {
      redis = await startRedis({ dataDir: redisDir, port: cache.port })
      cache.port = Number(new URL(redis.url).port)
    },
    stop: () => lifetime.end(),
  }
}
