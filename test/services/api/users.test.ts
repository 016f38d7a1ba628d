import { randomUUID } from 'node:crypto'
import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GoneException,
} from '@aws-sdk/client-apigatewaymanagementapi'
import { mockClient } from 'aws-sdk-client-mock'
import * as v from 'valibot'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { saveConnection, watchPlant } from '../../../lambdas/data/live-connections.ts'
import { Problem } from '../../../schemas/api.ts'
import { InvitedUser, UserAccount, UserAccountPage } from '../../../schemas/people.ts'
import type { FirebaseServer } from '../../helpers/firebase-server.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

let api: HttpApi
let firebase: FirebaseServer
let tenant: TestTenant
let other: TestTenant
let admin: string
let north: string
const sockets = mockClient(ApiGatewayManagementApiClient)

beforeAll(async () => {
  api = await startHttpApi()
  firebase = await api.firebase()
  other = await createTenant(api.database.master, ['north'])
})
afterAll(() => api.close())
beforeEach(async () => {
  sockets.reset()
  firebase.isDown = false
  tenant = await createTenant(api.database.master, ['north', 'south'])
  north = tenant.plants[0]!.plantId
  admin = await createUser(api.database.master, tenant.tenantId, 'admin', 'all')
})

const call = (method: string, path: string, body?: unknown, as = admin, headers: Record<string, string> = {}) =>
  api.request(method, path, { as, headers, ...(body !== undefined && { body }) })
const address = () => `${randomUUID()}@people.example`
const invite = async (body: object = {}, as = admin) => {
  const answer = await call('POST', '/v1/users', { email: address(), role: 'viewer', plantAccess: 'all', ...body }, as)
  expect(answer.status).toBe(201)
  return v.parse(InvitedUser, answer.body)
}
const idOf = async (uid: string) =>
  (await api.database.master.query<{ id: string }>('select id from users where firebase_uid = $1', [uid])).rows[0]!.id
const codeIn = (link: string) => new URL(link).searchParams.get('oobCode')!
const actions = async () =>
  (
    await api.database.master.query<{ action: string }>(
      'select action from audit_log where tenant_id = $1 order by id',
      [tenant.tenantId],
    )
  ).rows.map((row) => row.action)

describe('an invitation', () => {
  it('makes an account whose password the person sets by the link, once, and then gets in', async () => {
    const { user, invitation } = await invite({ email: ' Eva@People.example ', plantAccess: [north] })
    expect(user).toMatchObject({ email: 'eva@people.example', plantAccess: [north], disabled: false, lastSeenAt: null })
    expect(invitation.mailed).toBe(true)
    expect(firebase.mails.some((mail) => mail.includes('eva@people.example'))).toBe(true)

    firebase.local.reset(codeIn(invitation.link), 'a-password')
    expect(() => firebase.local.reset(codeIn(invitation.link), 'another')).toThrow('INVALID_OOB_CODE')
    const { localId, emailVerified } = firebase.local.signIn('eva@people.example', 'a-password')
    expect(emailVerified).toBe(true)
    expect((await call('GET', '/v1/me', undefined, localId)).body).toMatchObject({
      userId: user.userId,
      role: 'viewer',
    })
    const seen = v.parse(UserAccount, (await call('GET', `/v1/users/${user.userId}`)).body)
    expect(seen.lastSeenAt).toBeGreaterThan(Date.now() - 60_000)
    expect(await actions()).toEqual(['user.create', 'user.invite'])
  })

  it('answers the same for an address of the company and one of another, and asks Firebase nothing', async () => {
    const theirAdmin = await createUser(api.database.master, other.tenantId, 'admin', 'all')
    const mine = (await invite()).user.email
    const theirs = (await invite({}, theirAdmin)).user.email
    const mails = firebase.mails.length
    const answers = []
    for (const email of [mine, theirs, theirs.toUpperCase()])
      answers.push(await call('POST', '/v1/users', { email, role: 'admin', plantAccess: 'all' }))
    const [first, ...more] = answers.map(({ body }) => ({ ...v.parse(Problem, body), requestId: '' }))
    expect(first).toMatchObject({ status: 409, code: 'conflict', errors: [{ path: 'email' }] })
    for (const answer of more) expect(answer).toEqual(first)
    expect(firebase.mails).toHaveLength(mails)
  })

  it('ends the password and the sessions of an account that a stranger has made with the address', async () => {
    const email = address()
    const stranger = firebase.local.create(email, { password: 'of-the-stranger' })
    const validSince = stranger.validSince
    const { user } = await invite({ email })
    expect(() => firebase.local.signIn(email, 'of-the-stranger')).toThrow('INVALID_LOGIN_CREDENTIALS')
    expect(firebase.local.findByEmail(email)!.validSince).toBeGreaterThanOrEqual(validSince)
    expect(user.email).toBe(email)
  })

  it('that Firebase does not take leaves nothing, and can be repeated', async () => {
    const body = { email: address(), role: 'viewer', plantAccess: 'all' }
    firebase.isDown = true
    expect(await call('POST', '/v1/users', body)).toMatchObject({ status: 503, body: { code: 'unavailable' } })
    const list = v.parse(UserAccountPage, (await call('GET', '/v1/users')).body)
    expect(list.items).toHaveLength(1)
    firebase.isDown = false
    await invite(body)
    expect(await actions()).toEqual(['user.create', 'user.create_undone', 'user.create', 'user.invite'])
  })

  it('can be made again, but not for a disabled person', async () => {
    const { user, invitation } = await invite()
    const again = v.parse(InvitedUser, (await call('POST', `/v1/users/${user.userId}/invite`)).body)
    expect(again.invitation.link).not.toBe(invitation.link)
    firebase.local.reset(codeIn(again.invitation.link), 'a-password')
    await call('PATCH', `/v1/users/${user.userId}`, { disabled: true })
    expect((await call('POST', `/v1/users/${user.userId}/invite`)).status).toBe(409)
  })

  it('gives an admin no link to set the password of somebody who is here already', async () => {
    const { user } = await invite()
    await api.database.master.query('update users set last_seen_at = 1 where id = $1', [user.userId])
    const before = await actions()
    const refused = await call('POST', `/v1/users/${user.userId}/invite`)
    expect(refused).toMatchObject({ status: 409, body: { code: 'conflict' } })
    expect(JSON.stringify(refused.body)).not.toContain('oobCode')
    expect(await actions()).toEqual(before)
  })

  it.each([
    ['email', { email: 'nobody' }],
    ['role', { role: 'owner' }],
    ['plantAccess', { plantAccess: ['north'] }],
    ['colour', { colour: 'red' }],
  ])('with a wrong %s is refused', async (path, wrong) => {
    const body = { email: address(), role: 'viewer', plantAccess: 'all', ...wrong }
    const answer = await call('POST', '/v1/users', body)
    expect(answer.status).toBe(400)
    expect(v.parse(Problem, answer.body).errors?.[0]?.path).toMatch(new RegExp(`^${path}`))
  })
})

describe('a change of a person', () => {
  it('takes effect with the next request, whatever the API remembers', async () => {
    const uid = await createUser(api.database.master, tenant.tenantId, 'manager', 'all')
    const path = `/v1/users/${await idOf(uid)}`
    const may = async () =>
      (await call('PATCH', '/v1/machines', { machineIds: [randomUUID()], status: 'active' }, uid)).status
    expect(await may()).toBe(404)
    await call('PATCH', path, { role: 'viewer' })
    expect(await may()).toBe(403)
    await call('PATCH', path, { role: 'manager', plantAccess: [north] })
    expect(await may()).toBe(404)
    expect((await call('GET', '/v1/me', undefined, uid)).body).toMatchObject({ plantAccess: [north] })
    await call('PATCH', path, { disabled: true })
    expect(await call('GET', '/v1/me', undefined, uid)).toMatchObject({ status: 403 })
    await call('PATCH', path, { disabled: false })
    expect((await call('GET', '/v1/me', undefined, uid)).status).toBe(200)
    const { rows } = await api.database.master.query(
      `select before, after from audit_log where tenant_id = $1 and action = 'user.change' order by id limit 1`,
      [tenant.tenantId],
    )
    expect(rows).toEqual([
      {
        before: { role: 'manager', plantAccess: 'all', disabled: false },
        after: { role: 'viewer', plantAccess: 'all', disabled: false },
      },
    ])
  })

  it('is not undone by a request that had read the person as they were', async () => {
    const uid = await createUser(api.database.master, tenant.tenantId, 'viewer', 'all')
    const redis = api.services.redis
    // Reads the row, and is about to remember it when the change comes.
    let isChanged = false
    api.services.redis = {
      ...redis,
      use: async (commands) => {
        if (!isChanged && commands.toString().includes('.set(')) {
          isChanged = true
          api.services.redis = redis
          await call('PATCH', `/v1/users/${await idOf(uid)}`, { disabled: true })
        }
        return redis.use(commands)
      },
    }
    await call('GET', '/v1/me', undefined, uid)
    api.services.redis = redis
    expect(isChanged).toBe(true)
    expect((await call('GET', '/v1/me', undefined, uid)).status).toBe(403)
  })

  it('disables the account at Firebase as well, and never waits for it', async () => {
    const { user } = await invite()
    const path = `/v1/users/${user.userId}`
    const isDisabled = () => firebase.local.findByEmail(user.email)!.disabled
    await call('PATCH', path, { disabled: true })
    expect(isDisabled()).toBe(true)
    firebase.isDown = true
    expect((await call('PATCH', path, { disabled: false })).status).toBe(503)
    expect((await call('GET', path)).body).toMatchObject({ disabled: true })
    firebase.isDown = false
    await call('PATCH', path, { disabled: false })
    expect(isDisabled()).toBe(false)
    firebase.isDown = true
    expect(await call('PATCH', path, { disabled: true })).toMatchObject({ status: 200, body: { disabled: true } })
    firebase.isDown = false
    await call('PATCH', path, { disabled: true })
    expect(isDisabled()).toBe(true)
  })

  it('closes the live sockets of the person and no other, and forgets them before', async () => {
    const [uid, neighbour] = [
      await createUser(api.database.master, tenant.tenantId, 'viewer', 'all'),
      await createUser(api.database.master, tenant.tenantId, 'viewer', 'all'),
    ]
    const open = async (user: string) => {
      const connection = {
        ...{ userId: await idOf(user), firebaseUid: user, authTime: 1, tenantId: tenant.tenantId, tenant: tenant.slug },
        ...{ connectionId: randomUUID(), plants: [] },
      }
      await api.services.redis.use(async (client) => {
        await saveConnection(client, connection)
        await watchPlant(client, connection, { plantId: north, slug: 'north' })
      })
      return connection.connectionId
    }
    const [one, two, theirs] = [await open(uid), await open(uid), await open(neighbour)]
    const watchers = () => api.services.redis.use((client) => client.zRange(`watchers:${tenant.slug}:north`, 0, -1))
    sockets
      .on(DeleteConnectionCommand, { ConnectionId: two })
      .rejects(new GoneException({ message: '', $metadata: {} }))
    await call('PATCH', `/v1/users/${await idOf(uid)}`, { role: 'plant_operator' })
    const closed = sockets.commandCalls(DeleteConnectionCommand).map(({ args }) => args[0].input.ConnectionId)
    expect(closed.sort()).toEqual([one, two].sort())
    expect(await watchers()).toEqual([theirs])
    // The same again changes nothing, and closes nothing.
    await call('PATCH', `/v1/users/${await idOf(neighbour)}`, { role: 'viewer' })
    expect(await watchers()).toEqual([theirs])
  })

  it('is refused when it was meant for the person as they were', async () => {
    const path = `/v1/users/${(await invite()).user.userId}`
    const { etag } = (await call('GET', path)).headers as { etag: string }
    expect((await call('PATCH', path, { role: 'manager' }, admin, { 'if-match': etag })).status).toBe(200)
    expect((await call('PATCH', path, { role: 'viewer' }, admin, { 'if-match': etag })).status).toBe(412)
    expect((await call('GET', path)).body).toMatchObject({ role: 'manager' })
  })
})

describe('the last admin', () => {
  it.each([{ role: 'manager' }, { disabled: true }, { plantAccess: [] }])('is not changed by %j', async (change) => {
    const path = `/v1/users/${await idOf(admin)}`
    expect(await call('PATCH', path, change)).toMatchObject({ status: 409, body: { code: 'conflict' } })
    await createUser(api.database.master, tenant.tenantId, 'admin', 'all', Date.now())
    await createUser(api.database.master, tenant.tenantId, 'admin', [north])
    expect((await call('PATCH', path, change)).status).toBe(409)
    expect((await call('GET', '/v1/me')).body).toMatchObject({ role: 'admin', plantAccess: 'all' })
    await createUser(api.database.master, tenant.tenantId, 'admin', 'all')
    expect((await call('PATCH', path, change)).status).toBe(200)
  })

  it('is left when two demote each other at once', async () => {
    const second = await createUser(api.database.master, tenant.tenantId, 'admin', 'all')
    const instance = api.anotherInstance()
    const answers = await Promise.all([
      call('PATCH', `/v1/users/${await idOf(second)}`, { role: 'viewer' }),
      instance.request('PATCH', `/v1/users/${await idOf(admin)}`, { as: second, body: { role: 'viewer' } }),
    ])
    await instance.close()
    expect(answers.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(1)
    const { rows } = await api.database.master.query(
      `select from users where tenant_id = $1 and role = 'admin' and disabled_at is null`,
      [tenant.tenantId],
    )
    expect(rows).toHaveLength(1)
  })
})

describe('an admin of some plants', () => {
  it('sees and changes those who have no others, and gives no more than they have', async () => {
    const limited = await createUser(api.database.master, tenant.tenantId, 'admin', [north])
    const [mine, above] = [
      await createUser(api.database.master, tenant.tenantId, 'viewer', [north]),
      await createUser(api.database.master, tenant.tenantId, 'viewer', 'all'),
    ]
    const list = v.parse(UserAccountPage, (await call('GET', '/v1/users', undefined, limited)).body)
    expect(list.items.map(({ userId }) => userId).sort()).toEqual([await idOf(mine), await idOf(limited)].sort())
    const change = async (uid: string, body: object) =>
      (await call('PATCH', `/v1/users/${await idOf(uid)}`, body, limited)).status
    expect(await change(above, { role: 'manager' })).toBe(404)
    expect(await change(mine, { plantAccess: 'all' })).toBe(404)
    expect(await change(mine, { plantAccess: [tenant.plants[1]!.plantId] })).toBe(404)
    expect(await change(mine, { plantAccess: [other.plants[0]!.plantId] })).toBe(404)
    expect(await change(mine, { role: 'manager' })).toBe(200)
    const created = await call('POST', '/v1/users', { email: address(), role: 'viewer', plantAccess: 'all' }, limited)
    expect(created.status).toBe(404)
  })

  it('sees the plant that they make', async () => {
    const limited = await createUser(api.database.master, tenant.tenantId, 'admin', [north])
    const plant = { slug: 'west', province: 'ba', name: 'Planta Oeste', timeZone: 'America/Argentina/Buenos_Aires' }
    await call('GET', '/v1/me', undefined, limited)
    expect((await call('POST', '/v1/plants', plant, limited)).status).toBe(201)
    const plants = (await call('GET', '/v1/plants', undefined, limited)).body as { items: { slug: string }[] }
    expect(plants.items.map(({ slug }) => slug)).toEqual(['north', 'west'])
  })
})

describe('signing out everywhere', () => {
  it('ends the sessions of before at once, here and at Firebase, and none that begins after it', async () => {
    const { user, invitation } = await invite()
    firebase.local.reset(codeIn(invitation.link), 'a-password')
    const { localId } = firebase.local.findByEmail(user.email)!
    const signedInAt = Date.now() - 2000
    const me = (at: number) => api.request('GET', '/v1/me', { as: localId, signedInAt: at })
    expect((await me(signedInAt)).status).toBe(200)
    expect((await call('POST', `/v1/users/${user.userId}/sign-out`)).status).toBe(200)
    expect(await me(signedInAt)).toMatchObject({ status: 401, body: { code: 'unauthenticated' } })
    expect(firebase.local.find(localId)!.validSince * 1000).toBeGreaterThan(signedInAt)
    const later = Date.now() + 1000
    expect((await me(later)).status).toBe(200)
    expect((await api.request('POST', '/v1/me/sign-out', { as: localId, signedInAt: later })).status).toBe(200)
    expect((await me(Date.now())).status).toBe(401)
    expect((await actions()).filter((action) => action === 'user.sign_out')).toHaveLength(2)
  })

  it('does not depend on Firebase', async () => {
    const uid = await createUser(api.database.master, tenant.tenantId, 'viewer', 'all')
    firebase.isDown = true
    expect((await call('POST', `/v1/users/${await idOf(uid)}/sign-out`)).status).toBe(200)
    expect((await api.request('GET', '/v1/me', { as: uid, signedInAt: Date.now() })).status).toBe(401)
  })
})

it('a person chooses a language', async () => {
  expect((await call('PATCH', '/v1/me', { locale: 'es' })).body).toMatchObject({ locale: 'es' })
  expect((await call('GET', '/v1/me')).body).toMatchObject({ locale: 'es' })
  expect(await actions()).toEqual(['user.change_locale'])
  expect((await call('PATCH', '/v1/me', { locale: 'fr' })).status).toBe(400)
})

it('people of another company are not there', async () => {
  const theirs = await idOf(await createUser(api.database.master, other.tenantId, 'viewer', 'all'))
  const answers = [
    await call('GET', `/v1/users/${theirs}`),
    await call('PATCH', `/v1/users/${theirs}`, { disabled: true }),
    await call('POST', `/v1/users/${theirs}/invite`),
    await call('POST', `/v1/users/${theirs}/sign-out`),
  ]
  for (const answer of answers) expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } })
})
