/** The sweep on real Postgres: silence becomes alarms and ends them, delays end without a reading, and what was not told is found. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sweep } from '../../../lambdas/alarm-sweep/sweep.ts'
import type { Database } from '../../../lambdas/data/database.ts'
import { endShelves, readUntold, summariseFloods } from '../../../lambdas/data/relay-alarms.ts'
import { expandOutbox, FLOOD_LIMIT } from '../../../lambdas/data/expand-outbox.ts'
import { openPostgres, type Postgres } from '../../../lambdas/runtime/postgres.ts'
import { createAlarmRule } from '../../helpers/alarm-rules.ts'
import { createPlant, type TestPlant } from '../../helpers/plant.ts'
import { createDatabase, type TestDatabase } from '../../helpers/postgres.ts'
import { createMachines } from '../../helpers/tenants.ts'

let database: TestDatabase
let ingest: Postgres<Database>
let alarms: Postgres<Database>
const now = Date.now()

const openAs = (role: 'iot_ingest' | 'iot_alarms') => {
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = database.environment(role)
  return openPostgres<Database>({
    ...{ PGHOST: PGHOST!, PGPORT: Number(PGPORT), PGDATABASE: PGDATABASE!, PGUSER: PGUSER!, PGPASSWORD: PGPASSWORD! },
    AWS_REGION: 'us-east-1',
  })
}
beforeAll(async () => {
  database = await createDatabase()
  ingest = openAs('iot_ingest')
  alarms = openAs('iot_alarms')
})
afterAll(async () => {
  await ingest.close()
  await alarms.close()
  await database.close()
})

const query = async <Row>(text: string, values: unknown[] = []) =>
  (await database.master.query(text, values)).rows as Row[]
const swept = (at: number) => sweep(ingest, at, false)

interface Row {
  id: string
  source: string
  raised_at: number
  cleared_at: number | null
  message: string | null
}
const alarmsOf = (plant: TestPlant) =>
  query<Row>('select * from alarms where tenant_id = $1 order by raised_at, source', [plant.tenantId])

async function silentPlant(machines: number): Promise<TestPlant & { machineIds: string[] }> {
  const plant = await createPlant(database.master, `s-${randomUUID().slice(0, 8)}`)
  const machineIds = await createMachines(database.master, plant.tenantId, plant.plantId, machines)
  await query('update machines set gateway_id = $1 where plant_id = $2', [plant.gatewayId, plant.plantId])
  await hear(plant, now)
  return { ...plant, machineIds }
}
async function hear(plant: TestPlant, at: number, connection = 'online'): Promise<void> {
  await query('update gateways set connection = $1, status_at = $2 where plant_id = $3', [
    connection,
    at,
    plant.plantId,
  ])
}

test('two hundred machines fall silent with their gateway: one alarm, which ends when it is back', async () => {
  const plant = await silentPlant(200)
  await createAlarmRule(database.master, plant, { condition: { kind: 'no_data', forMs: 60_000 } })
  await query('update machine_state set last_seen_at = $1 where tenant_id = $2', [now - 30_000, plant.tenantId])
  await swept(now)
  expect(await alarmsOf(plant)).toEqual([])
  await hear(plant, now, 'offline')
  await Promise.all([swept(now + 60_000), swept(now + 60_000)])
  await swept(now + 120_000)
  expect(await alarmsOf(plant)).toMatchObject([
    { source: `gateway:${plant.gatewayId}`, raised_at: now + 30_000, cleared_at: null },
  ])
  await hear(plant, now + 180_000)
  await query('update machine_state set last_seen_at = $1 where tenant_id = $2', [now + 180_000, plant.tenantId])
  await swept(now + 180_000)
  expect(await alarmsOf(plant)).toMatchObject([{ cleared_at: now + 180_000 }])
})

test('a machine alone that falls silent is an alarm of its own, and none while our queue is behind', async () => {
  const plant = await silentPlant(2)
  await createAlarmRule(database.master, plant, { condition: { kind: 'no_data', forMs: 60_000 }, machine: '*-0001' })
  await query('update machine_state set last_seen_at = $1 where tenant_id = $2', [now - 100_000, plant.tenantId])
  await sweep(ingest, now, true)
  expect(await alarmsOf(plant)).toEqual([])
  await swept(now)
  expect(await alarmsOf(plant)).toMatchObject([{ source: plant.machineIds[0], raised_at: now - 40_000, message: null }])
})

test('a delay ends by the clock where no reading comes, with the moment at which it was over', async () => {
  const plant = await silentPlant(1)
  const ruleId = await createAlarmRule(database.master, plant, {
    ...{ tag: 'temperature', condition: { kind: 'above', limit: 70, hysteresis: 0 }, delayOnMs: 20_000 },
  })
  const source = `${plant.machineIds[0]}/temperature`
  await query(
    `insert into alarm_conditions (rule_id, source, tenant_id, machine_id, phase, since, value) values ($1, $2, $3, $4, 'pending', $5, '71.2')`,
    [ruleId, source, plant.tenantId, plant.machineIds[0], now],
  )
  await swept(now + 25_000) // a reading may be on its way
  expect(await alarmsOf(plant)).toEqual([])
  await swept(now + 31_000)
  expect(await alarmsOf(plant)).toMatchObject([{ source, raised_at: now + 20_000, message: null }])
})

test.each([
  ['revoked', `update gateways set lifecycle = 'revoked' where id = $1`],
  ['deleted', 'delete from gateways where id = $1'],
])('the alarm of a gateway ends when it is %s: nobody waits for it any more', async (_, end) => {
  const plant = await silentPlant(1)
  await createAlarmRule(database.master, plant, { condition: { kind: 'gateway_offline' } })
  await hear(plant, now, 'offline')
  await swept(now + 1_000)
  expect(await alarmsOf(plant)).toMatchObject([{ source: `gateway:${plant.gatewayId}`, cleared_at: null }])
  await query(end, [plant.gatewayId])
  const { outboxIds } = (await swept(now + 60_000))!
  expect(await alarmsOf(plant)).toMatchObject([{ cleared_at: now + 60_000 }])
  expect(await query('select type, plant_id from alarm_outbox where id = any($1)', [outboxIds])).toEqual([
    { type: 'cleared', plant_id: plant.plantId },
  ])
})

test('the alarm of a tag ends when its machine is retired: no reading of it is taken any more', async () => {
  const plant = await silentPlant(1)
  const machineId = plant.machineIds[0]!
  const condition = { kind: 'above', limit: 70, hysteresis: 0 } as const
  const ruleId = await createAlarmRule(database.master, plant, { tag: 'temperature', condition, delayOffMs: 20_000 })
  await query(
    `insert into alarm_conditions (rule_id, source, tenant_id, machine_id, phase, since, value) values ($1, $2, $3, $4, 'pending', $5, '71.2')`,
    [ruleId, `${machineId}/temperature`, plant.tenantId, machineId, now],
  )
  await swept(now + 11_000)
  await swept(now + 60_000)
  expect(await alarmsOf(plant)).toMatchObject([{ raised_at: now, cleared_at: null }])
  await query(`update machines set status = 'retired' where id = $1`, [machineId])
  await swept(now + 120_000)
  await swept(now + 180_000)
  expect(await alarmsOf(plant)).toMatchObject([{ cleared_at: now + 140_000 }])
})

test('a new rule looks at what machines said before it was made', async () => {
  const plant = await silentPlant(2)
  const condition = { kind: 'above', limit: 70, hysteresis: 0 } as const
  const ruleId = await createAlarmRule(database.master, plant, { tag: '*', condition })
  await query('update alarm_rules set unsettled_since = $1 where id = $2', [now, ruleId])
  await query('update machine_state set last_seen_at = $1 where machine_id = $2', [now, plant.machineIds[0]])
  await swept(now + 5_000)
  expect(await alarmsOf(plant)).toEqual([])
  await swept(now + 15_000)
  // The other one has not been heard for long: what it said is no news.
  expect(await alarmsOf(plant)).toMatchObject([
    { source: `${plant.machineIds[0]}/temperature`, raised_at: now + 15_000 },
  ])
  expect(await query('select unsettled_since from alarm_rules where id = $1', [ruleId])).toEqual([
    { unsettled_since: null },
  ])
})

test('of a flood the first alarms are told one by one and the rest in one summary; ends of untold ones are not told', async () => {
  const plant = await silentPlant(30)
  const ruleId = await createAlarmRule(database.master, plant, { condition: { kind: 'no_data', forMs: 60_000 } })
  await query('update machine_state set last_seen_at = $1 where tenant_id = $2', [now - 100_000, plant.tenantId])
  await query(
    `insert into alarm_webhooks (id, tenant_id, name, url, sealed_secret, severity_from, enabled, created_at, updated_at)
     values ($1, $2, 'x', 'https://example.com', 'x', 'low', true, 0, 0)`,
    [ruleId, plant.tenantId],
  )
  const { outboxIds } = (await swept(now))!
  expect(outboxIds).toHaveLength(30)
  const { due, withheld } = await expandOutbox(alarms.db, outboxIds, () => false)
  expect([due.length, withheld]).toEqual([FLOOD_LIMIT, 30 - FLOOD_LIMIT])
  expect((await expandOutbox(alarms.db, outboxIds, () => false)).due).toEqual([])
  const [flood, ...more] = await summariseFloods(ingest.db, now)
  expect(more).toEqual([])
  expect(await summariseFloods(ingest.db, now + 60_000)).toEqual([])
  expect((await expandOutbox(alarms.db, [flood!], () => false)).due).toMatchObject([
    { target: `webhook:${ruleId}`, severity: 'high' },
  ])
  expect(await query('select details from alarm_outbox where id = $1', [flood])).toEqual([
    { details: { high: 30 - FLOOD_LIMIT } },
  ])
  await query('update machine_state set last_seen_at = $1 where tenant_id = $2', [now, plant.tenantId])
  const ended = (await swept(now + 1_000))!
  expect(ended.outboxIds).toHaveLength(30)
  expect((await expandOutbox(alarms.db, ended.outboxIds, () => false)).due).toHaveLength(FLOOD_LIMIT)
})

test('a shelf ends by the clock, and what nobody has told is found again', async () => {
  const plant = await silentPlant(1)
  await createAlarmRule(database.master, plant, { condition: { kind: 'no_data', forMs: 60_000 } })
  await query('update machine_state set last_seen_at = $1 where tenant_id = $2', [now - 100_000, plant.tenantId])
  const { alarmIds, outboxIds } = (await swept(now))!
  await query(
    `update alarms set suppressed = 'shelved', suppressed_until = $1, suppressed_reason = 'x' where id = $2`,
    [now, alarmIds[0]],
  )
  expect(await endShelves(ingest.db, now)).toEqual(alarmIds)
  expect(await endShelves(ingest.db, now)).toEqual([])
  const untold = async () => (await readUntold(ingest.db, Date.now() + 20_000)).rows.map(({ outboxId }) => outboxId)
  expect(await untold()).toContain(outboxIds[0])
  await expandOutbox(alarms.db, outboxIds, () => false)
  expect(await untold()).not.toContain(outboxIds[0])
})
