/**
 * Every list that comes in pages: what is added between two pages moves nothing of what is still to come, where sort keys are equal
 * too, and comes itself if its place is still to come. The lists are those of the routes that take a cursor.
 */
import { toJsonSchema } from '@valibot/to-json-schema'
import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { routes } from '../../../lambdas/api/routes.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createGateway, createMachines, createTenant, createUser } from '../../helpers/tenants.ts'

interface Company {
  master: pg.Pool
  tenantId: string
  plantId: string
  machineId: string
  gatewayId: string
  thingName: string
}
interface List {
  path: (company: Company) => string
  order: 'ascending' | 'descending'
  /** Of an item, what ends in the three digits of its place. */
  field: string
  /** `place`: three digits. */
  insert: (company: Company, place: string) => Promise<unknown>
}

const MINUTE = Math.floor(Date.now() / 60_000) * 60_000 - 60_000
const id = (place: string) => `01890a5d-ac96-774b-bcce-000000000${place}`
/** Two places have the same one. */
const moment = (place: string) => MINUTE + Math.floor(Number(place) / 20)
/** As long as a name may be, and much longer in a cursor; all have the same one. */
const NAME = '"\u0001真'.repeat(40)

const LISTS: Record<string, List> = {
  listPlants: {
    ...{ path: () => '/plants', order: 'ascending', field: 'slug' },
    insert: ({ master, tenantId }, place) =>
      master.query(
        `insert into plants (id, tenant_id, province, slug, name, time_zone, created_at, updated_at)
         values (gen_random_uuid(), $1, 'ba', $2, 'x', 'UTC', 0, 0)`,
        [tenantId, `plant-${place}`],
      ),
  },
  listMachines: {
    ...{ path: ({ plantId }) => `/plants/${plantId}/machines`, order: 'ascending', field: 'slug' },
    insert: ({ master, tenantId, plantId }, place) =>
      master.query(
        `insert into machines (id, tenant_id, plant_id, slug, created_at, updated_at) values (gen_random_uuid(), $1, $2, $3, 0, 0)`,
        [tenantId, plantId, `machine-${place}`],
      ),
  },
  listTags: {
    ...{ path: ({ machineId }) => `/machines/${machineId}/tags`, order: 'ascending', field: 'tag' },
    insert: ({ master, machineId }, place) =>
      master.query(
        `update machine_state set values = values || jsonb_build_object($2::text, 1) where machine_id = $1`,
        [machineId, `tag-${place}`],
      ),
  },
  listEvents: {
    ...{ path: ({ machineId }) => `/machines/${machineId}/events`, order: 'descending', field: 'seq' },
    insert: ({ master, tenantId, machineId }, place) =>
      master.query(
        `insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values) values ($1, $2, $3, $4, $3, '{"a":1}')`,
        [tenantId, machineId, moment(place), `1000${place}`],
      ),
  },
  listGateways: {
    ...{ path: () => '/gateways', order: 'ascending', field: 'thingName' },
    insert: ({ master, tenantId, plantId, thingName }, place) =>
      createGateway(master, tenantId, plantId, `${thingName}-${place}`),
  },
  listGatewayConnections: {
    ...{ path: ({ thingName }) => `/gateways/${thingName}/connections`, order: 'descending', field: 'from' },
    insert: ({ master, tenantId, gatewayId }, place) =>
      master.query(
        `insert into gateway_connections (tenant_id, gateway_id, at, connection, restarted) values ($1, $2, $3, 'online', false)`,
        [tenantId, gatewayId, MINUTE + Number(place)],
      ),
  },
  listDeadLetters: {
    ...{ path: () => '/dead-letters', order: 'descending', field: 'id' },
    insert: ({ master, tenantId, plantId }, place) =>
      master.query(
        `insert into quarantine (id, message_id, tenant_id, plant_id, queue, code, message, quarantined_at, body, payload_bytes,
           payload_head) values ($1, $1::uuid::text, $2, $3, 'telemetry', 'invalid_json', 'x', $4, 'x', 1, 'x')`,
        [id(place), tenantId, plantId, moment(place)],
      ),
  },
  listUsers: {
    ...{ path: () => '/users', order: 'ascending', field: 'email' },
    insert: ({ master, tenantId }, place) =>
      master.query(
        `insert into users (id, tenant_id, email, role, all_plants, created_at, updated_at)
         values (gen_random_uuid(), $1, $2, 'viewer', true, 0, 0)`,
        [tenantId, `user@example-${place}`],
      ),
  },
  listAudit: {
    ...{ path: () => '/audit', order: 'descending', field: 'id' },
    insert: ({ master, tenantId }, place) =>
      master.query(
        `insert into audit_log (id, tenant_id, at, action, subject, request_id) values ($1, $2, $3, 'page.test', 'x', 'x')`,
        [id(place), tenantId, moment(place)],
      ),
  },
  listExports: {
    ...{ path: () => '/exports', order: 'descending', field: 'exportId' },
    insert: ({ master, tenantId, machineId }, place) =>
      master.query(
        `insert into exports (id, tenant_id, machine_id, user_id, format, tags, from_ts, to_ts, created_at, asked_at)
         values ($1, $2, $3, $1, 'csv', '{a}', 0, 1, $4, $4)`,
        [id(place), tenantId, machineId, moment(place)],
      ),
  },
  listAlarms: {
    ...{ path: () => '/alarms', order: 'descending', field: 'alarmId' },
    insert: (company, place) => insertAlarm(company, id(place), moment(place)),
  },
  listAlarmEvents: {
    ...{ path: () => `/alarms/${id('999')}/events`, order: 'descending', field: 'id' },
    insert: async (company, place) => {
      await insertAlarm(company, id('999'), 0)
      await company.master.query(
        `insert into alarm_events (id, tenant_id, alarm_id, at, event) values ($1, $2, $3, $4, 'raised')`,
        [id(place), company.tenantId, id('999'), moment(place)],
      )
    },
  },
  listAlarmRules: {
    ...{ path: () => '/alarm-rules', order: 'ascending', field: 'ruleId' },
    insert: ({ master, tenantId, plantId }, place) =>
      master.query(
        `insert into alarm_rules (id, tenant_id, plant_id, name, machine, condition, delay_on_ms, delay_off_ms, severity, enabled,
           version, created_at, updated_at) values ($1, $2, $3, $4, '*', '{"kind":"above","limit":1,"hysteresis":0}', 0, 0, 'high', true, 1, 0, 0)`,
        [id(place), tenantId, plantId, NAME],
      ),
  },
  listAlarmWebhooks: {
    ...{ path: () => '/alarm-webhooks', order: 'ascending', field: 'webhookId' },
    insert: ({ master, tenantId, plantId }, place) =>
      master.query(
        `insert into alarm_webhooks (id, tenant_id, plant_id, name, url, sealed_secret, severity_from, enabled, created_at, updated_at)
         values ($1, $2, $3, $4, 'https://198.41.0.4/', 'x', 'low', true, 0, 0)`,
        [id(place), tenantId, plantId, NAME],
      ),
  },
}

const insertAlarm = ({ master, tenantId, plantId }: Company, alarmId: string, raisedAt: number) =>
  master.query(
    `insert into alarms (id, tenant_id, plant_id, rule_id, rule_name, source, condition, severity, message, raised_at, occurrences,
       revision) values ($1, $2, $3, $1, 'x', 'x', '{"kind":"above","limit":1,"hysteresis":0}', 'high', 'x', $4, 1, 1)
     on conflict do nothing`,
    [alarmId, tenantId, plantId, raisedAt],
  )

let api: HttpApi
beforeAll(async () => (api = await startHttpApi()))
afterAll(() => api.close())

const paged = routes.filter(({ query }) => {
  const { properties = {} } = query === undefined ? {} : toJsonSchema(query, { errorMode: 'ignore', typeMode: 'input' })
  return 'cursor' in properties
})

it('is tried with every list that takes a cursor', () => {
  expect(Object.keys(LISTS).sort()).toEqual(paged.map(({ operationId }) => operationId).sort())
})

it.each(Object.entries(LISTS))('%s goes on where it was, whatever has been added', async (_operation, list) => {
  const { master } = api.database
  const tenant = await createTenant(master, ['a'])
  const { tenantId } = tenant
  const { plantId } = tenant.plants[0]!
  const [machineId] = (await createMachines(master, tenantId, plantId, 1, { a: 1 })) as [string]
  const thingName = `${tenant.slug}-g`
  const company = { master, tenantId, plantId, machineId, thingName, gatewayId: '' }
  company.gatewayId = await createGateway(master, tenantId, plantId, thingName)
  const as = await createUser(master, tenantId, 'admin', 'all')
  const insert = async (places: string[]) => {
    for (const place of places) await list.insert(company, place)
  }
  const read = async (cursor?: string) => {
    const more = cursor === undefined ? '' : `&cursor=${cursor}`
    const { status, body } = await api.request('GET', `/v1${list.path(company)}?limit=3${more}`, { as })
    expect(status, JSON.stringify(body)).toBe(200)
    const { items, nextCursor } = body as { items: Record<string, unknown>[]; nextCursor: string | null }
    // What the company has besides has no place.
    const places = items.map((item) => /[-0](\d{3})$/.exec(String(item[list.field]))?.[1])
    return { places: places.filter((place) => place !== undefined), nextCursor }
  }

  await insert(['010', '020', '030', '040', '050', '060', '070'])
  const first = await read()
  expect(first.places.length).toBeGreaterThan(0)
  await insert(['005', '015', '035', '065', '075'])
  const all = ['005', '010', '015', '020', '030', '035', '040', '050', '060', '065', '070', '075']
  if (list.order === 'descending') all.reverse()
  const rest: string[] = []
  for (let { nextCursor } = first; nextCursor !== null;) {
    const page = await read(nextCursor)
    rest.push(...page.places)
    nextCursor = page.nextCursor
  }
  expect(rest).toEqual(all.slice(all.indexOf(first.places.at(-1)!) + 1))
})
