/** Plants with one thing of every kind in each, for the tests that ask who reaches what. */
import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import { createGateway, createMachines, createTenant, createUser, type TestTenant } from './tenants.ts'

export interface Place {
  tenantId: string
  plantId: string
  /** A plant beside it with nothing in it: who sees the one is to see the other. */
  annexId: string
  machineId: string
  thingName: string
  deadLetterId: string
  /** A viewer of this plant only. */
  userId: string
  alarmId: string
  ruleId: string
  webhookId: string
  exportId: string
  /** Ids and names that nobody may be told who may not see the place; those of the company besides. */
  traces: string[]
  tenantTraces: string[]
  /** For calls that use up what they name. */
  newDeadLetter: () => Promise<string>
  newGateway: (lifecycle?: string) => Promise<string>
  newUser: () => Promise<string>
  newAlarm: (suppressed?: 'shelved' | 'out_of_service') => Promise<string>
  newAlarmRule: () => Promise<string>
  newWebhook: () => Promise<string>
}

/** A company with these plants, all of whose names are of no other. */
export async function createPlaces(master: pg.Pool, names: string[]): Promise<{ tenant: TestTenant; places: Place[] }> {
  const own = names.map((name) => `${name}-${randomUUID().slice(0, 8)}`)
  const tenant = await createTenant(master, [...own, ...own.map((name) => `${name}-annex`)])
  const places: Place[] = []
  for (const [index, { plantId, slug }] of tenant.plants.slice(0, names.length).entries()) {
    const { plantId: annexId } = tenant.plants[names.length + index]!
    places.push(await createPlace(master, tenant, plantId, slug, annexId))
  }
  return { tenant, places }
}

async function createPlace(
  master: pg.Pool,
  tenant: TestTenant,
  plantId: string,
  plant: string,
  annexId: string,
): Promise<Place> {
  const { tenantId, slug } = tenant
  const [machineId] = (await createMachines(master, tenantId, plantId, 1)) as [string]
  const machine = `press-${plant}`
  await master.query('update machines set slug = $1, name = $1 where id = $2', [machine, machineId])

  const exportId = uuidv7()
  await master.query(
    `insert into exports (id, tenant_id, machine_id, user_id, format, tags, from_ts, to_ts, created_at, asked_at, finished_at)
     values ($1, $2, $3, $1, 'csv', '{temperature}', 0, 1, $4, $4, $4)`,
    [exportId, tenantId, machineId, Date.now()],
  )

  const newDeadLetter = async () => {
    const id = uuidv7()
    await master.query(
      `insert into quarantine (id, message_id, tenant_id, plant_id, queue, code, message, topic, machine, thing_name,
         quarantined_at, body, payload_bytes, payload_head)
       values ($1, $1::uuid::text, $2, $3, 'telemetry', 'invalid_json', 'not JSON', $4, $5, $6, $7, 'x', 1, 'x')`,
      [id, tenantId, plantId, `factory/${slug}/ba/${plant}/${machine}/telemetry`, machine, `gw-${plant}`, Date.now()],
    )
    return id
  }
  const newGateway = async (lifecycle?: string) => {
    const name = `gw-${plant}-${randomUUID().slice(0, 8)}`
    await createGateway(master, tenantId, plantId, name, lifecycle)
    return name
  }
  const newUser = async () => {
    const uid = await createUser(master, tenantId, 'viewer', [plantId])
    const { rows } = await master.query<{ id: string }>('select id from users where firebase_uid = $1', [uid])
    return rows[0]!.id
  }
  const condition = JSON.stringify({ kind: 'above', limit: 80, hysteresis: 0 })
  const newAlarmRule = async () => {
    const id = uuidv7()
    await master.query(
      `insert into alarm_rules (id, tenant_id, plant_id, name, machine, tag, condition, delay_on_ms, delay_off_ms, severity, enabled,
         version, created_at, updated_at) values ($1, $2, $3, $4, $5, 'temperature', $6, 0, 0, 'high', true, 1, 0, 0)`,
      [id, tenantId, plantId, `hot ${plant}`, machine, condition],
    )
    return id
  }
  const newAlarm = async (suppressed?: 'shelved' | 'out_of_service') => {
    const id = uuidv7()
    await master.query(
      `insert into alarms (id, tenant_id, plant_id, rule_id, rule_name, source, machine_id, tag, condition, severity, message, value,
         raised_at, occurrences, suppressed, suppressed_since, suppressed_reason, revision)
       values ($1, $2, $3, $4, $5, $6, $7, 'temperature', $8, 'high', $9, '81', $10, 1, $11, $10, 'test', 1)`,
      [
        id,
        tenantId,
        plantId,
        id,
        `hot ${plant}`,
        machineId,
        machineId,
        condition,
        `${machine} hot`,
        Date.now(),
        suppressed,
      ],
    )
    return id
  }
  const newWebhook = async () => {
    const id = uuidv7()
    await master.query(
      `insert into alarm_webhooks (id, tenant_id, plant_id, name, url, sealed_secret, severity_from, enabled, created_at, updated_at)
       values ($1, $2, $3, $4, 'https://198.41.0.4/', 'x', 'low', true, 0, 0)`,
      [id, tenantId, plantId, `hook ${plant}`],
    )
    return id
  }
  const [thingName, deadLetterId, userId] = [await newGateway(), await newDeadLetter(), await newUser()]
  const [alarmId, ruleId, webhookId] = [await newAlarm(), await newAlarmRule(), await newWebhook()]
  return {
    ...{ tenantId, plantId, annexId, machineId, thingName, deadLetterId, userId, alarmId, ruleId, webhookId, exportId },
    // The names of machine, gateway and annex contain that of the plant.
    traces: [plantId, annexId, plant, machineId, deadLetterId, alarmId, ruleId, webhookId, exportId],
    tenantTraces: [tenantId, slug],
    ...{ newDeadLetter, newGateway, newUser, newAlarm, newAlarmRule, newWebhook },
  }
}
