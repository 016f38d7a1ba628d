import pg from 'pg'
import { v7 as uuid } from 'uuid'
import * as v from 'valibot'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { History, MachineEventPage, MachineTagPage } from '../../schemas/api.ts'
import { signIn } from '../helpers/api-client.ts'
import { rollUp } from '../helpers/roll-up.ts'

const HOUR_MS = 3_600_000
const endpoints = inject('endpoints')
const database = new pg.Client({ connectionString: endpoints.postgres.url })

beforeAll(() => database.connect())
afterAll(() => database.end())

it('readings of an hour that is over are rolled up by the deployed job, and read through the deployed API', async () => {
  const { rows } = await database.query<{ id: string; tenant_id: string }>(
    `select p.id, p.tenant_id from plants p where p.slug = 'planta-baradero'`,
  )
  const [{ id: plantId, tenant_id: tenantId }] = rows as [{ id: string; tenant_id: string }]
  const machineId = uuid()
  const hour = Math.floor(Date.now() / HOUR_MS) - 2
  const at = (minute: number) => hour * HOUR_MS + minute * 60_000
  await database.query(
    `insert into machines (id, tenant_id, plant_id, slug, created_at, updated_at) values ($1, $2, $3, 'history', 0, 0)`,
    [machineId, tenantId, plantId],
  )
  await database.query(
    `insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values)
     select $1, $2, $3::int8 + n * 60000, n, $3, jsonb_build_object('temperature', n) from generate_series(0, 59) n`,
    [tenantId, machineId, at(0)],
  )
  await database.query(
    `insert into machine_state (machine_id, tenant_id, ts, seq, received_at, values, last_seen_at, revision)
     values ($1, $2, $3, 59, $3, '{"temperature": 59}', $3, 1)`,
    [machineId, tenantId, at(59)],
  )
  await database.query('insert into rollup_queue values ($1, $2, $3)', [tenantId, machineId, hour])

  await rollUp(endpoints, inject('cloudDir'))
  // The schedule's own run may have taken it just before.
  const rolledUp = () =>
    database.query<{ count: number }>('select count from rollups where machine_id = $1', [machineId])
  await expect.poll(async () => (await rolledUp()).rows, { timeout: 10_000 }).toEqual([{ count: 60 }])

  const email = endpoints.users.find((user) => user.tenant === 'granix' && user.role === 'viewer')!.email
  const { get } = await signIn(endpoints, email)
  const path = `/machines/${machineId}`
  const query = `tag=temperature&from=${at(-22 * 60)}&to=${at(60)}`
  expect(v.parse(History, await get(`${path}/history?${query}`))).toMatchObject({
    kind: 'number',
    bucketMs: 120_000,
    points: Array.from({ length: 30 }, (_, n) => [at(2 * n), 2 * n, 2 * n + 0.5, 2 * n + 1, 2]),
  })
  expect(v.parse(MachineEventPage, await get(`${path}/events?limit=1`)).items).toMatchObject([{ timestamp: at(59) }])
  expect(v.parse(MachineTagPage, await get(`${path}/tags`)).items).toMatchObject([{ tag: 'temperature', value: 59 }])
})
