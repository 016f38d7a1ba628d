/**
 * History through the HTTP API's handler, with 10 million messages in the table: 24 h of one tag in at most 1,000 buckets, up
 * to this minute, so that the hour that runs is read raw. Beside it the same buckets from raw events by plain SQL, and what
 * the job that rolls up does in a second. Cold: the first question to a machine after Postgres was started again (its own
 * cache is empty, the operating system's may not be).
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi'
import { SQSClient } from '@aws-sdk/client-sqs'
import { IoTClient } from '@aws-sdk/client-iot'
import { IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import type pg from 'pg'
import { answerRequest } from '../../lambdas/api/answer-request.ts'
import type { Database } from '../../lambdas/data/database.ts'
import { migrateDatabase } from '../../lambdas/data/migrate-database.ts'
import { rollUpNext } from '../../lambdas/data/roll-up.ts'
import { enqueueFinishedHours, HOUR_MS } from '../../lambdas/data/rollup-queue.ts'
import { logger } from '../../lambdas/runtime/frame.ts'
import { Objects } from '../../lambdas/runtime/objects.ts'
import { openPostgres, openPostgresAsMaster } from '../../lambdas/runtime/postgres.ts'
import { openRedis } from '../../lambdas/runtime/redis.ts'
import { removePostgresData } from '../../local/postgres-home.ts'
import { startPostgres } from '../../local/postgres.ts'
import { startRedis } from '../../local/redis.ts'
import { createMachines, createTenant, createUser } from '../helpers/tenants.ts'
import { type Figure, median, percentile } from './figure.ts'

const MESSAGES = Number(process.env['BENCH_MESSAGES'] ?? 10_000_000)
const HOURS = 24
/** One message a second each. */
const MACHINES = Math.ceil(MESSAGES / (HOURS * 3600))
const TAGS = 10
const ROLE_PASSWORD = 'bench'
const WARM_UP = 100
const QUESTIONS = 300
const COLD_QUESTIONS = 20
/** One user asks all the questions here. */
const FAST = { perSecond: 1e6, burst: 1e6 }

export async function benchHistory(): Promise<Figure[]> {
  logger.setLogLevel('ERROR')
  const folder = mkdtempSync(join(tmpdir(), 'bench-history-'))
  const dataDir = join(folder, 'postgres')
  let postgres = await startPostgres({ dataDir })
  const redis = await startRedis({ dataDir: join(folder, 'redis') })
  const { host, port, user, password } = postgres
  try {
    const master = openPostgresAsMaster<Database>({ host, port, username: user, password, dbname: 'postgres' }, false)
    await migrateDatabase(master.db, { hotRetentionDays: 30, localRolePassword: ROLE_PASSWORD })
    const tenant = await createTenant(master.pool, ['plant'])
    const uid = await createUser(master.pool, tenant.tenantId, 'viewer', 'all')
    const machines = await createMachines(master.pool, tenant.tenantId, tenant.plants[0]!.plantId, MACHINES)
    const now = Date.now()
    await writeMessages(master.pool, tenant.tenantId, machines, now)

    const as = (role: string) =>
      openPostgres<Database>({
        ...{ PGHOST: host, PGPORT: port, PGDATABASE: 'postgres', PGUSER: role, PGPASSWORD: ROLE_PASSWORD },
        AWS_REGION: 'us-east-1',
      })
    const job = as('iot_rollup')
    const started = performance.now()
    let machineHours = 0
    await enqueueFinishedHours(job.db)
    while (await rollUpNext(job.db)) machineHours += 1
    const rolledUp = await sumOf(master.pool, `select sum(count) from rollups where tag = 'tag-0'`)
    const perSecond = (rolledUp * 1000) / (performance.now() - started)
    const bytes = await sumOf(master.pool, `select pg_total_relation_size('rollups')`)
    const tagMinutes = await sumOf(master.pool, 'select count(*) * 60 from rollups')
    await master.pool.query('vacuum analyze')
    await job.close()

    let api = as('iot_api')
    const client = openRedis({ REDIS_URL: redis.url })
    const ask = async (machine: string, tag: string) => {
      const begin = performance.now()
      const services = {
        ...{
          db: api.db,
          redis: client,
          iot: new IoTClient({ region: 'us-east-1' }),
          iotData: new IoTDataPlaneClient({ region: 'us-east-1' }),
          sockets: new ApiGatewayManagementApiClient({ region: 'us-east-1' }),
          accounts: () => Promise.reject(new Error('history needs no accounts')),
          stage: 'bench',
          sqs: new SQSClient({ region: 'us-east-1' }),
          fanOutQueueUrl: '',
          alarmQueueUrl: '',
          exportQueueUrl: '',
          exports: new Objects('none'),
          webhookKey: () => Promise.reject(new Error('history seals nothing')),
          apiUrl: '',
          realtimeUrl: '',
          iotCaPem: '',
        },
        ...{
          hotRetentionDays: 30,
          historyRetentionDays: 730,
          rateLimits: { user: FAST, tenant: FAST, wrongSecret: FAST },
        },
      }
      const { statusCode, body } = await answerRequest(services, historyEvent(machine, tag, now, uid))
      const ms = performance.now() - begin
      const { points } = JSON.parse(body ?? '') as { points: number[][] }
      if (statusCode !== 200 || points.length < 719 || points.length > 1000) throw new Error(`${statusCode}: ${body}`)
      return ms
    }
    const any = () =>
      [machines[Math.floor(Math.random() * MACHINES)]!, `tag-${Math.floor(Math.random() * TAGS)}`] as const
    const times = async (count: number) => {
      const all: number[] = []
      for (let n = 0; n < count; n += 1) all.push(await ask(...any()))
      return all
    }
    await times(WARM_UP)
    const warm = await times(QUESTIONS)
    const raw: number[] = []
    for (let n = 0; n < 20; n += 1) {
      const begin = performance.now()
      await rawBuckets(api.pool, tenant.tenantId, ...any(), now)
      raw.push(performance.now() - begin)
    }
    await api.close()
    await master.close()
    await postgres.stop()
    postgres = await startPostgres({ dataDir, port })
    api = as('iot_api')
    const cold = await times(COLD_QUESTIONS)
    await api.close()
    client.close()

    const p95 = percentile(warm, 95)
    const ms = (value: number) => `${value.toFixed(1)} ms`
    return [
      {
        what: `24 h of one tag in 1,000 buckets, ${(MACHINES * HOURS * 0.0036).toFixed(1)} million messages, through the API's handler, warm`,
        measured: `p95 ${ms(p95)} (median ${ms(median(warm))}; same buckets from raw events by SQL: median ${ms(median(raw))}, ${(median(raw) / median(warm)).toFixed(0)} times; after a restart of Postgres: first ${ms(cold[0]!)}, median ${ms(median(cold))}, longest ${ms(Math.max(...cold))})`,
        toReach: 'p95 at most 50 ms',
        reached: p95 <= 50,
      },
      {
        what: 'rolled up by one job',
        measured: `${Math.round(perSecond)} messages/s of ${TAGS} tags (${machineHours} machine hours), ${(bytes / tagMinutes).toFixed(0)} bytes per tag and minute with indexes`,
        toReach: 'at least 10,000 messages/s',
        reached: perSecond >= 10_000,
      },
    ]
  } finally {
    await redis.stop()
    await postgres.stop()
    removePostgresData(dataDir)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** As ingest leaves them: machines interleaved in time, an hour in each statement. */
async function writeMessages(pool: pg.Pool, tenantId: string, machines: string[], now: number): Promise<void> {
  const tags = Array.from({ length: TAGS }, (_, tag) => `'tag-${tag}', round((random() * 1000)::numeric, 2)`).join(', ')
  for (let hour = HOURS; hour > 0; hour -= 1) {
    await pool.query(
      `insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values)
       select $1, m.id, ts, ts / 1000, ts, jsonb_build_object(${tags})
       from generate_series($3::int8, $3::int8 + 3599000, 1000) ts, unnest($2::uuid[]) m(id)`,
      [tenantId, machines, now - hour * HOUR_MS],
    )
  }
  await pool.query('update machine_state set ts = $1', [now])
  await pool.query('update rollup_progress set hour = $1', [Math.floor(now / HOUR_MS) - HOURS])
}

const sumOf = async (pool: pg.Pool, query: string): Promise<number> =>
  Number(Object.values((await pool.query<Record<string, string>>(query)).rows[0]!)[0])

async function rawBuckets(pool: pg.Pool, tenantId: string, machine: string, tag: string, now: number): Promise<void> {
  const client = await pool.connect()
  await client.query('begin')
  await client.query(`select set_config('app.tenant_id', $1, true)`, [tenantId])
  await client.query(
    `select ts / 120000, count(*), min((values -> $2)::float8), avg((values -> $2)::float8), max((values -> $2)::float8)
     from telemetry_events where machine_id = $1 and ts >= $3 and ts < $4 group by 1 order by 1`,
    [machine, tag, now - HOURS * HOUR_MS, now],
  )
  await client.query('commit')
  client.release()
}

function historyEvent(machine: string, tag: string, now: number, uid: string): APIGatewayProxyEventV2 {
  return {
    ...{ version: '2.0', routeKey: '', rawPath: `/v1/machines/${machine}/history`, rawQueryString: '' },
    ...{ headers: {}, isBase64Encoded: false },
    queryStringParameters: { tag, from: String(now - HOURS * HOUR_MS), to: String(now), buckets: '1000' },
    requestContext: {
      http: { method: 'GET', path: '', protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'bench' },
      requestId: randomUUID(),
      authorizer: { lambda: { uid, authTime: Math.floor(Date.now() / 1000) } },
    } as unknown as APIGatewayProxyEventV2['requestContext'],
  }
}
