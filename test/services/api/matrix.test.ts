/**
 * Who gets what from every route and every message of the live socket. What to expect comes from schemas/permissions.ts, what happens from
 * the running system; docs/permissions.md is what happened. In CI that file must be as it is made here, else it is written.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { routes } from '../../../lambdas/api/routes.ts'
import { LIVE_MESSAGES, OPEN_OPERATIONS, OPERATIONS, PERMISSIONS, Role, roleMay } from '../../../schemas/permissions.ts'
import { type ApiGateway, startApiGateway } from '../../helpers/api-gateway.ts'
import { exampleCall, pathOf, referencesOf } from '../../helpers/example-calls.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { type LiveSocket, startLiveSocket } from '../../helpers/live-socket.ts'
import { createPlaces, type Place } from '../../helpers/places.ts'
import { startTestIot, type TestIot } from '../../helpers/test-iot.ts'
import { createUser } from '../../helpers/tenants.ts'

const IDENTITIES = ['no token', 'expired', 'forged', 'other project', 'disabled', 'unknown'] as const
const WHERES = ['own plant', 'another plant', 'another tenant'] as const
type Where = (typeof WHERES)[number]

let api: HttpApi
let iot: TestIot
let gateway: ApiGateway
let live: LiveSocket
let north: Place
let south: Place
let theirs: Place
/** Bearer tokens of those who get in nowhere. */
const refused: Record<string, string | undefined> = {}
let tenantId: string
/** Filled by the tests, in their order. */
const table: { http: string[][]; live: string[][] } = { http: [], live: [] }

beforeAll(async () => {
  iot = await startTestIot()
  api = await startHttpApi({ iot: iot.iot, iotData: iot.iotData })
  gateway = await startApiGateway(api)
  live = startLiveSocket(api)
  const { master } = api.database
  const ours = await createPlaces(master, ['north', 'south'])
  ;[north, south] = ours.places as [Place, Place]
  ;[theirs] = (await createPlaces(master, ['north'])).places as [Place]
  tenantId = ours.tenant.tenantId
  const admin = gateway.tokens(await createUser(master, ours.tenant.tenantId, 'admin', 'all'))
  const disabled = await createUser(master, ours.tenant.tenantId, 'admin', 'all', Date.now())
  Object.assign(refused, {
    'no token': undefined,
    expired: admin.expired,
    forged: admin.forged,
    'other project': admin['other project'],
    disabled: gateway.tokens(disabled).valid,
    unknown: gateway.tokens('nobody').valid,
  })
})
afterAll(async () => {
  await gateway.close()
  live.close()
  await api.close()
  await iot.close()
})

/** Of a user who sees north and its annex only. A new one each time: a call may end the caller's sessions. */
async function tokenOf(role: Role): Promise<string> {
  return gateway.tokens(await createUser(api.database.master, tenantId, role, [north.plantId, north.annexId])).valid
}

const placeOf = (where: Where): Place =>
  ({ 'own plant': north, 'another plant': south, 'another tenant': theirs })[where]

async function send(route: (typeof routes)[number], token: string | undefined, place: Place) {
  const call = await exampleCall(route.operationId, place)
  const response = await fetch(`${gateway.url}${pathOf(route.path, call)}`, {
    method: route.method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(call.body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
  })
  return { status: response.status, text: await response.text() }
}

/** Nothing of the places that one with access to north only must not see. */
function expectNoTrace(text: string): void {
  for (const trace of [...south.traces, ...theirs.traces, ...theirs.tenantTraces]) expect(text).not.toContain(trace)
}

describe.each(routes.map((route) => ({ route, name: `${route.method} ${route.path}` })))('$name', ({ route, name }) => {
  if (route.kind === 'open') {
    it('treats everybody alike', async () => {
      const plain = await send(route, undefined, north)
      expect(plain.status).toBeLessThan(500)
      for (const token of [...Object.values(refused), await tokenOf('viewer'), await tokenOf('admin')]) {
        expect((await send(route, token, north)).status).toBe(plain.status)
      }
      table.http.push([name, `open (${OPEN_OPERATIONS[route.operationId]})`, ...cells(18, plain.status)])
    })
    return
  }

  const { operationId } = route
  const permission = OPERATIONS[operationId]
  const row = [name, permission]

  it('lets in nobody who is not known', async () => {
    for (const identity of IDENTITIES) {
      const { status, text } = await send(route, refused[identity], north)
      expect(status, identity).toBe(identity === 'no token' ? 401 : 403)
      expectNoTrace(text)
      row.push(String(status))
    }
  })

  it.each(Role.options)(
    'gives a %s what the permissions say, and nothing of another plant or company',
    async (role) => {
      const own = await exampleCall(operationId, north)
      for (const where of WHERES) {
        const names = referencesOf(own, await exampleCall(operationId, placeOf(where))).length > 0
        const expected = !roleMay(role, permission) ? 403 : where !== 'own plant' && names ? 404 : route.answer.status
        const { status, text } = await send(route, await tokenOf(role), placeOf(where))
        expect(status, `${where}: ${text}`).toBe(expected)
        // A refusal of another plant's thing may quote what it was asked for, but nothing does.
        expectNoTrace(text)
        row.push(names || where === 'own plant' || status >= 300 ? String(status) : `${status} own`)
      }
      if (role === Role.options.at(-1)) table.http.push(row)
    },
  )
})

describe.each(Object.entries(LIVE_MESSAGES))('live socket: %s', (type, permission) => {
  const row = [type, permission] as string[]
  const message = (place: Place) => (type === 'ping' ? { type } : { type, plant: place.plantId })

  it('opens for nobody who gets no ticket', async () => {
    for (const identity of IDENTITIES) {
      const answered = await live.converse(await ticket(refused[identity]), message(north))
      expect(answered, identity).toBe('refused')
      row.push(answered)
    }
  })

  it.each(Role.options)('gives a %s what the permissions say', async (role) => {
    for (const where of WHERES) {
      const answered = await live.converse(
        await ticket(await tokenOf(role)),
        message(placeOf(where)),
        expectNoTraceBut(placeOf(where)),
      )
      const may = roleMay(role, permission)
      const expected = {
        subscribe: may && where === 'own plant' ? 'snapshot' : 'not_found',
        unsubscribe: 'nothing',
        ping: 'pong',
      }[type]
      expect(answered, where).toBe(expected)
      row.push(answered)
    }
    if (role === Role.options.at(-1)) table.live.push(row)
  })

  async function ticket(token: string | undefined): Promise<string | undefined> {
    const answer = await fetch(`${gateway.url}/v1/realtime/ticket`, {
      method: 'POST',
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      body: '{}',
    })
    return answer.status === 201 ? ((await answer.json()) as { ticket: string }).ticket : undefined
  }

  /** An error names the plant that was asked for. */
  const expectNoTraceBut = (asked: Place) => (text: string) => expectNoTrace(text.replaceAll(asked.plantId, ''))
})

it('is written down in docs/permissions.md', () => {
  expect(table.http).toHaveLength(routes.length)
  expect(table.live).toHaveLength(Object.keys(LIVE_MESSAGES).length)
  const file = join(import.meta.dirname, '../../../docs/permissions.md')
  const document = documentOf()
  if (process.env['CI'] !== 'true') writeFileSync(file, document)
  expect(readFileSync(file, 'utf8'), 'docs/permissions.md is stale: run this test without CI=true').toBe(document)
})

const cells = (count: number, status: number): string[] => Array.from({ length: count }, () => String(status))

function documentOf(): string {
  const short = { 'own plant': 'own', 'another plant': 'other plant', 'another tenant': 'other company' }
  const perRole = Role.options.flatMap((role) => WHERES.map((where) => `${role}: ${short[where]}`))
  const columns = [...IDENTITIES, ...perRole]
  return `${[
    '# Permissions, as the running system answers',
    'Written by `test/services/api/matrix.test.ts` from real requests; CI fails when it is stale. What was expected comes from',
    '`schemas/permissions.ts`:',
    '',
    ...markdown(
      ['permission', 'roles'],
      Object.entries(PERMISSIONS).map(([name, roles]) => [name, roles.join(', ')]),
    ),
    '',
    'Each user sees one plant of two, with the annex that a gateway is moved to. "own" is a call about that plant or something in it, "other plant" the same call about',
    'the plant that the user may not see, "other company" about one of another company. `200 own`: the call names nothing, and its answer holds',
    'nothing but what is the user’s own. 401, and the first four 403, are API Gateway’s, before our code runs.',
    '',
    '## HTTP API',
    '',
    ...markdown(['route', 'permission', ...columns], table.http),
    '',
    '## Live socket',
    '',
    '`refused`: without a ticket the socket does not open. `nothing`: no answer, and no effect.',
    '',
    ...markdown(['message', 'permission', ...columns], table.live),
  ].join('\n')}\n`
}

function markdown(head: string[], rows: string[][]): string[] {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`)
}
