/** A person of a company, from the invitation to the end of the company, in the running local system. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectAsync } from 'mqtt'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import type { InvitedUser } from '../../schemas/people.ts'
import { type ApiClient, signIn } from '../helpers/api-client.ts'
import { type Company, createCompany, setPassword } from '../helpers/company.ts'
import { enrolGateway, type TestGateway } from '../helpers/gateway-process.ts'
import { openLiveSocket } from '../helpers/live-client.ts'

const COMPANY = 'panaderia'
const EMAIL = 'eva@panaderia.example'
const PASSWORD = 'her-own-password'

const given = inject('endpoints')
const database = new pg.Client({ connectionString: given.postgres.url })
const folder = mkdtempSync(join(tmpdir(), 'people-'))

let company: Company
let admin: ApiClient
let gateway: TestGateway
let userId: string

beforeAll(async () => {
  await database.connect()
  company = await createCompany(given, COMPANY)
  admin = await signIn(company.endpoints, company.adminEmail)
  gateway = await enrolGateway(company.endpoints, {
    ...{ tenant: COMPANY, plant: company.plant, folder },
    devices: '  - { name: none, driver: modbus-tcp, host: 127.0.0.1, port: 1, unitId: 1 }',
    machines: '  - { slug: none, device: none, intervalMs: 60000, tags: { a: { address: "coil:0" } } }',
  })
})
afterAll(async () => {
  await database.end()
  rmSync(folder, { recursive: true, force: true })
})

const eva = () => {
  const user = {
    tenant: COMPANY,
    email: EMAIL,
    password: PASSWORD,
    role: 'viewer' as const,
    plantAccess: 'all' as const,
  }
  return signIn({ ...company.endpoints, users: [user] }, EMAIL)
}
const mqtt = () => {
  const file = (name: string) => readFileSync(join(gateway.dataDir, 'identity', name))
  return connectAsync(`mqtts://${given.mqtt.host}:${given.mqtt.port}`, {
    ...{ clientId: gateway.thingName, protocolVersion: 4, reconnectPeriod: 0, connectTimeout: 5_000 },
    ...{ ca: file('ca.pem'), cert: file('certificate.pem'), key: file('private-key.pem') },
  })
}

it('comes in by the link of the invitation, once', async () => {
  const invited = (await admin.post('/users', { email: EMAIL, role: 'viewer', plantAccess: 'all' })) as InvitedUser
  userId = invited.user.userId
  expect(invited.invitation).toMatchObject({
    mailed: true,
    link: expect.stringContaining('/reset-password?') as string,
  })
  expect((await setPassword(given, invited.invitation.link, PASSWORD)).status).toBe(200)
  expect((await setPassword(given, invited.invitation.link, 'another-password')).status).toBe(400)
  expect(await (await eva()).get('/me')).toMatchObject({ userId, email: EMAIL, role: 'viewer' })
})

it('loses open sockets within 5 s when the role changes, and has the new role at once', async () => {
  const api = await eva()
  const patch = () => api.request('PATCH', '/machines', { machineIds: [userId], status: 'active' })
  expect((await patch()).status).toBe(403)
  const socket = await openLiveSocket(api)
  const begin = performance.now()
  expect((await admin.request('PATCH', `/users/${userId}`, { role: 'manager' })).status).toBe(200)
  await socket.closed
  expect(performance.now() - begin).toBeLessThan(5_000)
  // The authorizer's answer of before is still remembered.
  expect((await patch()).status).toBe(404)
})

it('is out everywhere with one call, with tokens that Firebase would still take', async () => {
  const [one, two] = [await eva(), await eva()]
  expect([(await one.request('GET', '/me')).status, (await two.request('GET', '/me')).status]).toEqual([200, 200])
  await one.post('/me/sign-out')
  expect([(await one.request('GET', '/me')).status, (await two.request('GET', '/me')).status]).toEqual([401, 401])
})

it('is out at once when disabled, and cannot sign in any more', async () => {
  const api = await vi.waitFor(async () => {
    const again = await eva()
    await again.get('/me')
    return again
  }, 5_000)
  const socket = await openLiveSocket(api)
  expect((await admin.request('PATCH', `/users/${userId}`, { disabled: true })).status).toBe(200)
  expect((await api.request('GET', '/me')).status).toBe(403)
  await socket.closed
  await expect(eva()).rejects.toThrow('USER_DISABLED')
})

it('goes with the company, whose gateways get no connection any more', async () => {
  const connection = await mqtt()
  const cut = new Promise<void>((resolve) => connection.once('close', () => resolve()))
  const sockets = await openLiveSocket(admin)
  const step = async (cursor?: string) =>
    company.admin({ command: 'tenant delete', slug: COMPANY, ...(cursor !== undefined && { cursor }) })
  let answer = await step()
  while (answer.status === 'working' && answer.waitMs === 0) answer = await step(answer.cursor)
  await Promise.all([sockets.closed, cut])
  expect((await admin.request('GET', '/me')).status).toBe(403)
  await expect(mqtt()).rejects.toThrow()
  expect(answer).toMatchObject({ status: 'working', message: expect.stringContaining('consumers') as string })
  await database.query('update tenants set deleting_at = deleting_at - 200000 where slug = $1', [COMPANY])
  do answer = await step(answer.status === 'working' ? answer.cursor : undefined)
  while (answer.status === 'working')
  expect(answer).toMatchObject({ status: 'deleted', message: `nothing is left of ${COMPANY}` })
  expect(JSON.stringify(await company.admin({ command: 'tenant list' }))).not.toContain(COMPANY)
  await expect(signIn(company.endpoints, company.adminEmail)).rejects.toThrow('INVALID_LOGIN_CREDENTIALS')
})
