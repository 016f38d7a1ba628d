import { SendMessageCommand } from '@aws-sdk/client-sqs'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { createClient } from 'redis'
import { v7 as uuid } from 'uuid'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import type { Database } from '../../lambdas/data/database.ts'
import { markSilentGateways } from '../../lambdas/data/mark-silent-gateways.ts'
import { updatePresence } from '../../lambdas/data/update-presence.ts'
import { applyStatus, connectionChange } from '../../lambdas/status/apply-status.ts'
import type { OnlineStatusV1 } from '../../schemas/status.ts'
import { status } from '../helpers/envelopes.ts'
import { startConsumer } from '../helpers/ingest.ts'
import { lambdaContext } from '../helpers/lambda-context.ts'
import { createPlant, type TestPlant } from '../helpers/plant.ts'
import { sqsEvent } from '../helpers/sqs.ts'

const METRICS_AS_LINES = { POWERTOOLS_METRICS_DISABLED: 'false', POWERTOOLS_DEV: 'true' }
const lines = vi.spyOn(console, 'log').mockReturnValue()

const STALE = { connection: 'stale', reason: 'heartbeats_missed' } as const

let consumer: Awaited<ReturnType<typeof startConsumer>>
let sweep: () => Promise<{ marked: number; isBehind: boolean }>
/** Connections as iot_ingest, each of its own: what two instances of a function have. */
let connections: { db: Kysely<Database>; statements: string[] }[]
let now: number
const redis = createClient({ url: inject('redisUrl') })
const listener = redis.duplicate()

beforeAll(async () => {
  Object.assign(process.env, METRICS_AS_LINES)
  consumer = await startConsumer('status')
  process.env['STATUS_QUEUE_URL'] = consumer.queues.url('telemetry')
  const { handler } = await import('../../lambdas/presence-sweep/presence-sweep.lambda.ts')
  sweep = () =>
    (handler as (event: object, context: typeof lambdaContext) => ReturnType<typeof sweep>)({}, lambdaContext)
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = consumer.database.environment('iot_ingest')
  connections = Array.from({ length: 4 }, () => {
    const statements: string[] = []
    const pool = new pg.Pool({
      ...{ host: PGHOST, port: Number(PGPORT), database: PGDATABASE, user: PGUSER, password: PGPASSWORD, max: 1 },
    })
    const dialect = new PostgresDialect({ pool })
    const log = ({ query }: { query: { sql: string } }) => void statements.push(query.sql)
    return { db: new Kysely<Database>({ dialect, log }), statements }
  })
  await Promise.all([redis.connect(), listener.connect()])
})
afterAll(async () => {
  redis.destroy()
  listener.destroy()
  await Promise.all(connections.map(({ db }) => db.destroy()))
  await consumer.stop()
})

beforeEach(async () => {
  await consumer.database.master.query('delete from gateways')
  now = Date.now()
})
afterEach(() => vi.useRealTimers())

const newPlant = () => createPlant(consumer.database.master, `presence-${uuid()}`)

/** The clock of this process, and with it that of the sweep and of the queues. */
function setClock(at: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: at })
}

function payload(thingName: string, receivedAt: number, more: { sessionId?: string; uptimeSec?: number } = {}) {
  const { sessionId = 's1', uptimeSec = 1_000 } = more
  const buffer = { mode: 'live', queuedMessages: 0 }
  const health = { internet: 'up', mqtt: 'up', plcLink: 'up', buffer }
  const gateway = { thingName, version: '1.2.3', uptimeSec }
  return {
    schemaVersion: 1,
    timestamp: receivedAt,
    state: 'online',
    sessionId,
    gateway,
    health,
  } satisfies OnlineStatusV1
}
const online = (plant: TestPlant, receivedAt: number, more = {}) =>
  status(plant, payload(plant.thingName, receivedAt, more), { receivedAt })
const offline = (plant: TestPlant, receivedAt: number, sessionId = 's1', reason = 'unexpected_disconnect') =>
  status(plant, { schemaVersion: 1, timestamp: 1, state: 'offline', reason, sessionId }, { receivedAt })

const hear = (...bodies: string[]) => consumer.handle(sqsEvent(bodies))

/** Of a gateway in order, so that it is not "no heartbeat from anyone". */
async function hearAnother(at: number): Promise<void> {
  const plant = await newPlant()
  await hear(...[30_000, 20_000, 10_000, 0].map((agoMs) => online(plant, at - agoMs)))
}

async function connectionOf(plant: TestPlant): Promise<[string, string | null]> {
  const { rows } = await consumer.database.master.query<{ connection: string; reason: string | null }>(
    'select connection, reason from gateways where id = $1',
    [plant.gatewayId],
  )
  return [rows[0]!.connection, rows[0]!.reason]
}

/** Changes, each with its time in seconds after `from`. */
async function historyOf(plant: TestPlant, from: number): Promise<[number, string, string | null][]> {
  const { rows } = await consumer.database.master.query<{ at: number; connection: string; reason: string | null }>(
    'select at, connection, reason from gateway_connections where gateway_id = $1 order by at',
    [plant.gatewayId],
  )
  return rows.map(({ at, connection, reason }) => [(at - from) / 1000, connection, reason])
}

/** Gateways that all had their last heartbeat at `statusAt`. */
async function onlineGateways(plant: TestPlant, count: number, statusAt: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => uuid())
  await consumer.database.master.query(
    `insert into gateways (id, tenant_id, plant_id, thing_name, lifecycle, created_at, connection, session_id, status_at, last_seen_at)
     select id, $1, $2, 'fleet-' || id, 'active', 0, 'online', 's1', $3, $3 from unnest($4::uuid[]) as u (id)`,
    [plant.tenantId, plant.plantId, statusAt, ids],
  )
  return ids
}

describe('a gateway that falls silent', () => {
  test('is stale after three missed heartbeats, as of the third; everybody is told, and a heartbeat brings it back', async () => {
    const plant = await newPlant()
    const events: unknown[] = []
    await listener.subscribe(`events:${plant.tenant}:${plant.plant}`, (text) => events.push(JSON.parse(text)))
    await redis.zAdd(`watchers:${plant.tenant}:${plant.plant}`, { score: now + 60_000, value: 'someone' })
    const cached = async () =>
      JSON.parse((await redis.hGet(`gateways:${plant.tenant}:${plant.plant}`, plant.thingName))!) as unknown
    await hear(online(plant, now - 31_000))
    await hearAnother(now)
    await consumer.queues.drain('fan-out.fifo')
    await redis.del([`fan-out:${plant.tenant}:${plant.plant}`, `changed-gateways:${plant.tenant}:${plant.plant}`])

    expect(await sweep()).toEqual({ marked: 1, isBehind: false })

    expect(await connectionOf(plant)).toEqual(['stale', 'heartbeats_missed'])
    expect(await cached()).toMatchObject({ connection: 'stale', reason: 'heartbeats_missed', lastSeenAt: now - 31_000 })
    await expect
      .poll(() => events.at(-1))
      .toMatchObject({ type: 'status', state: 'stale', reason: 'heartbeats_missed' })
    const [item] = await consumer.queues.drain('fan-out.fifo')
    expect(JSON.parse(item!.Body!)).toMatchObject({ plant: plant.plant })
    expect(await redis.sMembers(`changed-gateways:${plant.tenant}:${plant.plant}`)).toEqual([plant.thingName])
    expect(await sweep()).toEqual({ marked: 0, isBehind: false })

    await hear(online(plant, now))
    expect(await connectionOf(plant)).toEqual(['online', null])
    expect(await cached()).toMatchObject({ connection: 'online', reason: null, lastSeenAt: now })
    expect(await historyOf(plant, now - 31_000)).toEqual([
      [0, 'online', null],
      [30, 'stale', 'heartbeats_missed'],
      [31, 'online', null],
    ])
  })

  test('is online while only two are missed, and offline ones stay what their will has said', async () => {
    const [late, ended] = [await newPlant(), await newPlant()]
    await hear(online(late, now - 25_000), online(ended, now - 90_000), offline(ended, now - 80_000))
    await hearAnother(now)
    expect(await sweep()).toEqual({ marked: 0, isBehind: false })
    expect(await connectionOf(late)).toEqual(['online', null])
    expect(await connectionOf(ended)).toEqual(['offline', 'unexpected_disconnect'])
  })

  test('is not brought back by its last heartbeat delivered twice; its will makes it offline', async () => {
    const plant = await newPlant()
    await hear(online(plant, now - 60_000))
    await hearAnother(now)
    await sweep()
    await hear(online(plant, now - 60_000))
    expect(await connectionOf(plant)).toEqual(['stale', 'heartbeats_missed'])
    await hear(offline(plant, now - 15_000))
    expect(await connectionOf(plant)).toEqual(['offline', 'unexpected_disconnect'])
    expect(await historyOf(plant, now - 60_000)).toEqual([
      [0, 'online', null],
      [30, 'stale', 'heartbeats_missed'],
      [45, 'offline', 'unexpected_disconnect'],
    ])
  })

  test('was never silent when its heartbeats were only late: the history keeps no trace', async () => {
    const plant = await newPlant()
    await hear(online(plant, now - 60_000))
    await hearAnother(now)
    await sweep()
    await hear(online(plant, now - 50_000), online(plant, now - 40_000), online(plant, now - 30_000))
    expect(await connectionOf(plant)).toEqual(['online', null])
    expect(await historyOf(plant, now - 60_000)).toEqual([[0, 'online', null]])
  })

  test('of a disabled tenant is nobody’s concern', async () => {
    const plant = await newPlant()
    await hear(online(plant, now - 60_000))
    await hearAnother(now)
    await consumer.database.master.query('update tenants set disabled_at = 1 where id = $1', [plant.tenantId])
    expect(await sweep()).toEqual({ marked: 0, isBehind: false })
  })
})

describe('while our own pipeline is behind, nobody is called stale', () => {
  test('no heartbeat from anyone: unknown; who is heard late was online all the time, who is not was stale', async () => {
    const plants = [await newPlant(), await newPlant(), await newPlant()]
    for (const plant of plants) await hear(online(plant, now - 120_000))
    expect(await sweep()).toEqual({ marked: 3, isBehind: true })
    for (const plant of plants) expect(await connectionOf(plant)).toEqual(['unknown', 'pipeline_behind'])
    expect(await sweep()).toEqual({ marked: 0, isBehind: true })

    const [late, back, gone] = plants as [TestPlant, TestPlant, TestPlant]
    const all = Array.from({ length: 12 }, (_, index) => now - 110_000 + index * 10_000)
    await hear(...all.map((at) => online(late, at)), online(back, now))
    expect(await sweep()).toEqual({ marked: 1, isBehind: false })
    expect(await connectionOf(gone)).toEqual(['stale', 'heartbeats_missed'])
    expect(await historyOf(late, now - 120_000)).toEqual([[0, 'online', null]])
    expect(await historyOf(back, now - 120_000)).toEqual([
      [0, 'online', null],
      [30, 'unknown', 'pipeline_behind'],
      [120, 'online', null],
    ])
    expect(await historyOf(gone, now - 120_000)).toEqual([
      [0, 'online', null],
      [30, 'stale', 'heartbeats_missed'],
    ])
  })

  test('an old message waits in the status queue: unknown, and the message stays where its consumer finds it', async () => {
    const plant = await newPlant()
    const body = online(plant, now)
    await consumer.queues.client.send(
      new SendMessageCommand({ QueueUrl: consumer.queues.url('telemetry'), MessageBody: body }),
    )
    await hear(online(plant, now - 31_000))
    await hearAnother(now)
    setClock(now + 11_000)

    expect(await sweep()).toEqual({ marked: 1, isBehind: true })
    expect(await connectionOf(plant)).toEqual(['unknown', 'pipeline_behind'])
    const waiting = await consumer.queues.drain('telemetry')
    expect(waiting.map((message) => message.Body)).toEqual([body])
    await hear(body)
    expect(await connectionOf(plant)).toEqual(['online', null])
  })

  test('it moves again since a moment, and not everybody has been heard since: unknown', async () => {
    const [first, next] = [await newPlant(), await newPlant()]
    await hear(online(first, now - 40_000), online(next, now - 40_000))
    await hear(online(first, now - 3_000))
    expect(await sweep()).toEqual({ marked: 1, isBehind: true })
    expect(await connectionOf(next)).toEqual(['unknown', 'pipeline_behind'])
    await hear(online(next, now))
    expect(await connectionOf(next)).toEqual(['online', null])
  })

  test('a message that came just now says nothing of the kind', async () => {
    const plant = await newPlant()
    await hear(online(plant, now - 40_000))
    await hearAnother(now)
    const QueueUrl = consumer.queues.url('telemetry')
    await consumer.queues.client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'fresh' }))
    expect(await sweep()).toEqual({ marked: 1, isBehind: false })
    expect(await connectionOf(plant)).toEqual(['stale', 'heartbeats_missed'])
    await consumer.queues.drain('telemetry')
  })
})

describe('many at once', () => {
  test('a thousand gateways are marked by one statement, and told in one sweep', async () => {
    const plant = await newPlant()
    await onlineGateways(plant, 1_000, now - 60_000)
    const { db, statements } = connections[0]!
    statements.length = 0
    expect(await markSilentGateways(db, now, STALE)).toHaveLength(1_000)
    expect(statements).toHaveLength(1)

    await consumer.database.master.query(`update gateways set connection = 'online', reason = null`)
    await hearAnother(now)
    expect(await sweep()).toEqual({ marked: 1_000, isBehind: false })
    const told = await redis.hVals(`gateways:${plant.tenant}:${plant.plant}`)
    expect(told.filter((json) => json.includes('"connection":"stale"'))).toHaveLength(1_000)
  })

  test('of sweeps at the same time each gateway is marked by one, and is in the history once', async () => {
    const plant = await newPlant()
    const ids = await onlineGateways(plant, 500, now - 60_000)
    const marked = await Promise.all(connections.map(({ db }) => markSilentGateways(db, now, STALE)))
    expect(
      marked
        .flat()
        .map(({ gatewayId }) => gatewayId)
        .toSorted(),
    ).toEqual(ids.toSorted())
    const { rows } = await consumer.database.master.query(
      'select gateway_id from gateway_connections where gateway_id = any($1)',
      [ids],
    )
    expect(rows).toHaveLength(500)
  })

  test('a heartbeat that is being stored is waited for by nobody and overridden by nobody', async () => {
    const plant = await newPlant()
    await hear(online(plant, now - 60_000))
    await hearAnother(now)
    const client = await consumer.database.master.connect()
    await client.query('begin')
    await client.query('update gateways set status_at = $1 where id = $2', [now, plant.gatewayId])
    expect(await sweep()).toEqual({ marked: 0, isBehind: false })
    await client.query('commit')
    client.release()
    expect(await connectionOf(plant)).toEqual(['online', null])
  })

  test('sweeps beside two consumers never deadlock, and never win against a newer heartbeat', async () => {
    const plant = await newPlant()
    const ids = await onlineGateways(plant, 60, now - 60_000)
    const [first, second, third, fourth] = connections.map(({ db }) => db)
    const beat = async (db: Kysely<Database>, order: string[], from: number) => {
      for (let round = 0; round < 25; round++) {
        const receivedAt = from + round * 1_000
        await updatePresence(db, order, (before) => {
          const heartbeat = payload(before.thingName, receivedAt)
          const after = applyStatus(before, { status: heartbeat, receivedAt })
          const change = connectionChange(before, after)
          return { after, connections: change === undefined ? [] : [change] }
        })
      }
    }
    // Each judges by another clock, so that all gateways are silent for some and heard for others.
    let marks = 0
    const sweeps = async (db: Kysely<Database>, from: number) => {
      for (let round = 0; round < 25; round++) {
        const at = from + round * 1_000
        for (const { statusAt } of await markSilentGateways(db, at, STALE)) {
          expect(statusAt).toBeLessThan(at - 30_000)
          marks++
        }
      }
    }
    await Promise.all([
      beat(first!, ids, now),
      beat(second!, ids.toReversed(), now + 500),
      sweeps(third!, now + 29_000),
      sweeps(fourth!, now + 30_500),
    ])
    expect(marks).toBeGreaterThanOrEqual(ids.length)
    await updatePresence(first!, ids, (before) => {
      const after = applyStatus(before, { status: payload(before.thingName, now + 60_000), receivedAt: now + 60_000 })
      return { after, connections: [] }
    })
    expect(await markSilentGateways(third!, now + 89_000, STALE)).toEqual([])
    const { rows } = await consumer.database.master.query(
      `select connection, count(*) from gateways where id = any($1) group by 1`,
      [ids],
    )
    expect(rows).toEqual([{ connection: 'online', count: 60 }])
  })
})

test('gateways offline are counted per tenant: stale ones are, unknown and revoked ones are not', async () => {
  const plant = await newPlant()
  const ids = await onlineGateways(plant, 5, now)
  const set = (id: string, assignment: string) =>
    consumer.database.master.query(`update gateways set ${assignment} where id = $1`, [id])
  await set(ids[0]!, `connection = 'stale'`)
  await set(ids[1]!, `connection = 'offline'`)
  await set(ids[2]!, `connection = 'unknown'`)
  await set(ids[3]!, `connection = 'offline', lifecycle = 'revoked'`)
  const other = await newPlant()
  await onlineGateways(other, 1, now)
  lines.mockClear()
  await sweep()
  const documents = lines.mock.calls.map(([line]) => JSON.parse(String(line)) as Record<string, unknown>)
  expect(documents).toContainEqual(expect.objectContaining({ tenant: plant.tenant, GatewaysOffline: 2 }))
  expect(documents).toContainEqual(expect.objectContaining({ tenant: plant.tenant, GatewaysUnknown: 1 }))
  expect(documents).toContainEqual(expect.objectContaining({ tenant: other.tenant, GatewaysOffline: 0 }))
  expect(documents).toContainEqual(expect.objectContaining({ StatusPipelineBehind: 0 }))
})

describe('the history of a connection', () => {
  test('tells sessions, ends with their reasons, and restarts of the program', async () => {
    const plant = await newPlant()
    const t = now - 3_600_000
    await hear(online(plant, t), online(plant, t + 10_000, { uptimeSec: 1_010 }))
    await hear(offline(plant, t + 20_000), online(plant, t + 30_000, { sessionId: 's2', uptimeSec: 1_030 }))
    await hear(online(plant, t + 40_000, { sessionId: 's3', uptimeSec: 2 }), offline(plant, t + 41_000, 's2'))
    await hear(offline(plant, t + 50_000, 's3', 'shutdown'))
    const { rows } = await consumer.database.master.query<{ at: number; connection: string; reason: string | null }>(
      `select (at - $2) / 1000 as at, connection, reason, session_id, restarted from gateway_connections
       where gateway_id = $1 order by at`,
      [plant.gatewayId, t],
    )
    const change = { reason: null, restarted: false }
    expect(rows).toEqual([
      { ...change, at: 0, connection: 'online', session_id: 's1' },
      { ...change, at: 20, connection: 'offline', session_id: 's1', reason: 'unexpected_disconnect' },
      { ...change, at: 30, connection: 'online', session_id: 's2' },
      { ...change, at: 40, connection: 'online', session_id: 's3', restarted: true },
      { ...change, at: 50, connection: 'offline', session_id: 's3', reason: 'shutdown' },
    ])
  })

  test('goes back 90 days: what had ended before is gone, what held then is kept', async () => {
    const plant = await newPlant()
    const day = 86_400_000
    const ages = [200, 100, 91, 89, 1]
    await consumer.database.master.query(
      `insert into gateway_connections (tenant_id, gateway_id, at, connection, restarted)
       select $1, $2, $3 - age * ${day}::int8, 'online', false from unnest($4::int8[]) as u (age)`,
      [plant.tenantId, plant.gatewayId, now, ages],
    )
    await sweep()
    const kept = await historyOf(plant, now)
    expect(kept.map(([seconds]) => seconds / -86_400)).toEqual([91, 89, 1])
  })
})

describe('a tenant that goes while its gateway publishes', () => {
  async function refusedCode(): Promise<string | undefined> {
    const [letter, ...others] = await consumer.queues.drain('dead-letters')
    expect(others).toEqual([])
    return letter?.MessageAttributes?.['errorCode']?.StringValue
  }

  test('removed: its statuses are refused with their code, its neighbours’ are stored', async () => {
    const [removed, neighbour] = [await newPlant(), await newPlant()]
    await hear(online(removed, now - 20_000))
    const { master } = consumer.database
    for (const [table, column] of [
      ['gateways', 'tenant_id'],
      ['plants', 'tenant_id'],
      ['tenants', 'id'],
    ]) {
      await master.query(`delete from ${table} where ${column} = $1`, [removed.tenantId])
    }
    // Its place is still remembered; then it is not.
    expect(await hear(online(removed, now - 10_000), online(neighbour, now))).toEqual({ batchItemFailures: [] })
    expect(await refusedCode()).toBe('unknown_gateway')
    expect(await connectionOf(neighbour)).toEqual(['online', null])
    setClock(now + 61_000)
    await hear(online(removed, now))
    expect(await refusedCode()).toBe('unknown_tenant')
  })

  test('disabled: refused within a minute', async () => {
    const plant = await newPlant()
    await hear(online(plant, now))
    await consumer.database.master.query('update tenants set disabled_at = 1 where id = $1', [plant.tenantId])
    setClock(now + 61_000)
    await hear(online(plant, now + 10_000))
    expect(await refusedCode()).toBe('unknown_tenant')
  })
})
