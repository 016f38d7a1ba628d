/** Every route that is not for reading leaves a row in the audit log, with its own request id; a new one fails here until it does. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { routes } from '../../../lambdas/api/routes.ts'
import type { CreatedGateway } from '../../../schemas/api.ts'
import words from '../../../web/src/i18n/en.json' with { type: 'json' }
import { createCsr } from '../../helpers/csr.ts'
import { type ExampleCall, exampleCall, pathOf } from '../../helpers/example-calls.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createPlaces, type Place } from '../../helpers/places.ts'
import { createUser } from '../../helpers/tenants.ts'
import { startTestIot, type TestIot } from '../../helpers/test-iot.ts'

/** Routes that change nothing that stays, with the reason. */
const NOTHING_TO_WRITE: Record<string, string> = {
  tryAlarmRule: 'nothing is saved',
  readTrends: 'only reads: what it asks for is too long for an address',
  createTicket: 'a ticket lives for 30 s and opens what the caller sees anyway',
  checkIdentity: 'a gateway asks what is wanted of it',
}
/** Not by a person: a gateway with its own secret or key. Followed through in onboarding.test.ts and identity.test.ts. */
const BY_A_GATEWAY = ['renewIdentity', 'confirmIdentity']

let iot: TestIot
let api: HttpApi

beforeAll(async () => {
  iot = await startTestIot()
  api = await startHttpApi({ iot: iot.iot, iotData: iot.iotData })
})
afterAll(async () => {
  await api.close()
  await iot.close()
})

const changing = routes.filter(
  ({ method, operationId }) =>
    method !== 'GET' && !(operationId in NOTHING_TO_WRITE) && !BY_A_GATEWAY.includes(operationId),
)

it.each(changing.map((route) => ({ route, name: `${route.method} ${route.path}` })))(
  '$name is written down',
  async ({ route: { method, path, operationId } }) => {
    const { tenant, places } = await createPlaces(api.database.master, ['north'])
    const [place] = places as [Place]
    const admin = await createUser(api.database.master, tenant.tenantId, 'admin', 'all')
    const call: ExampleCall =
      operationId === 'enrol' ? await enrolment(place, admin) : await exampleCall(operationId, place)
    const answer = await api.request(method, pathOf(path, call), {
      ...(operationId !== 'enrol' && { as: admin }),
      ...(call.body !== undefined && { body: call.body }),
    })
    expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300)
    const { rows } = await api.database.master.query<{
      tenant_id: string
      plant_id: string | null
      action: string
      user_id: string | null
    }>('select tenant_id, plant_id, action, user_id from audit_log where request_id = $1', [
      answer.headers['x-request-id'],
    ])
    expect(rows.length, operationId).toBeGreaterThan(0)
    for (const row of rows) {
      expect(row.tenant_id).toBe(place.tenantId)
      const [thing, verb] = row.action.split('.') as [string, string]
      // What the page calls it.
      expect(words.audit.actions, row.action).toHaveProperty([thing, verb])
      expect(row.user_id === null).toBe(operationId === 'enrol')
      // Else the admins of the plant would not see it.
      if (!row.action.startsWith('user.')) expect(row.plant_id, row.action).not.toBeNull()
    }
  },
)

async function enrolment({ plantId }: Place, admin: string) {
  const body = { plantId }
  const created = (await api.request('POST', '/v1/gateways', { as: admin, body })).body as CreatedGateway
  return { body: { token: created.enrolment.token, csr: await createCsr() } }
}
