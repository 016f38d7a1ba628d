/** Rules as people make them: what is refused before anything is changed, and what a rule would have done. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type AlarmRule, type AlarmTrial, MAX_RULES_PER_TENANT } from '../../../schemas/alarm-requests.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createPlaces, type Place } from '../../helpers/places.ts'
import { createUser } from '../../helpers/tenants.ts'

let api: HttpApi
let place: Place
let admin: string

beforeAll(async () => {
  api = await startHttpApi({ resolve: () => Promise.resolve(['10.0.0.1']) })
  ;[place] = (await createPlaces(api.database.master, ['north'])).places as [Place]
  admin = await createUser(api.database.master, place.tenantId, 'admin', 'all')
})
afterAll(() => api.close())

const HOT = { name: 'hot', tag: 'temperature', severity: 'high', condition: { kind: 'above', limit: 80 } }
const post = (path: string, body: unknown) => api.request('POST', `/v1${path}`, { as: admin, body })
const counts = async () =>
  (
    await api.database.master.query<{ rules: number; webhooks: number }>(
      'select (select count(*) from alarm_rules) as rules, (select count(*) from alarm_webhooks) as webhooks',
    )
  ).rows

it('a pattern that matches nothing is allowed, and says so', async () => {
  const { status, body } = await post('/alarm-rules', { ...HOT, machine: 'nothing-*' })
  expect(status).toBe(201)
  expect((body as AlarmRule).matches).toEqual({ machines: 0, gateways: 0 })
  expect(((await post('/alarm-rules', { ...HOT, machine: 'press-*' })).body as AlarmRule).matches.machines).toBe(1)
})

it.each([
  ['condition.limit', { ...HOT, condition: { kind: 'above', limit: 'eighty' } }],
  ['condition.hysteresis', { ...HOT, condition: { kind: 'above', limit: 80, hysteresis: -1 } }],
  ['condition', { ...HOT, condition: { kind: 'outside', low: 1, high: 5, hysteresis: 3 } }],
  ['tag', { ...HOT, tag: undefined }],
  ['tag', { ...HOT, condition: { kind: 'no_data', forMs: 60_000 } }],
])('a rule whose %s is wrong is refused with its field, and nothing is changed', async (path, rule) => {
  const before = await counts()
  expect(await post('/alarm-rules', rule)).toMatchObject({ status: 400, body: { errors: [{ path }] } })
  expect(await counts()).toEqual(before)
})

it.each(['https://10.0.0.1/', 'https://inside.example/hook', 'http://198.41.0.4/', 'https://169.254.169.254/latest'])(
  'a webhook to %s is refused, and nothing is changed',
  async (url) => {
    const before = await counts()
    expect(await post('/alarm-webhooks', { name: 'x', url })).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'url' }] },
    })
    expect(await counts()).toEqual(before)
  },
)

it('more rules than a company may have are refused with what to do', async () => {
  await api.database.master.query(
    `insert into alarm_rules select gen_random_uuid(), tenant_id, plant_id, name, machine, tag, condition, delay_on_ms, delay_off_ms, severity,
       message, enabled, version, unsettled_since, created_at, created_by, updated_at, updated_by
     from alarm_rules, generate_series(1, $2) where id = $1`,
    [place.ruleId, MAX_RULES_PER_TENANT],
  )
  const { status, body } = await post('/alarm-rules', HOT)
  expect(status).toBe(409)
  expect(body).toMatchObject({ detail: expect.stringContaining('2000 alarm rules') as string })
})

it('a rule that is not saved tells how often it would have been raised', async () => {
  const at = Date.now() - 3_600_000
  const values = [70, 85, 90, 70, 81, 79, 95]
  for (const [seq, temperature] of values.entries()) {
    await api.database.master.query('insert into telemetry_events values ($1, $2, $3, $4, $3, $5, null)', [
      ...[place.tenantId, place.machineId, at + seq * 60_000, seq, JSON.stringify({ temperature })],
    ])
  }
  const trial = async (rule: object) =>
    (await post('/alarm-rule-trials', { plantId: place.plantId, ...rule })).body as AlarmTrial
  const { tag, condition } = HOT
  const found = await trial({ tag, condition })
  expect(found).toMatchObject({ raised: 3, readings: values.length, machinesTried: 1, complete: true })
  expect(
    found.items.map(({ raisedAt, clearedAt, value }) => [raisedAt - at, clearedAt && clearedAt - at, value]),
  ).toEqual([
    [360_000, null, 95],
    [240_000, 300_000, 81],
    [60_000, 180_000, 85],
  ])
  expect((await trial({ tag, condition, delayOnMs: 90_000 })).raised).toBe(2)
  expect((await trial({ condition: { kind: 'no_data', forMs: 600_000 } })).raised).toBe(2)
})
