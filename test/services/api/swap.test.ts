/**
 * Every id in every path, query and body, one at a time, in the place of another company's and of one that is nowhere: both get the
 * same answer for the same work, and nothing is changed. The routes come from the list of routes, the calls from the examples.
 */
import { randomUUID } from 'node:crypto'
import { toJsonSchema } from '@valibot/to-json-schema'
import pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { routes } from '../../../lambdas/api/routes.ts'
import type { Route } from '../../../lambdas/api/route.ts'
import {
  type ExampleCall,
  exampleCall,
  leavesOf,
  pathOf,
  referencesOf,
  withValue,
} from '../../helpers/example-calls.ts'
import { type HttpAnswer, type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createPlaces, type Place } from '../../helpers/places.ts'
import { createUser } from '../../helpers/tenants.ts'
import { startTestIot, type TestIot } from '../../helpers/test-iot.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-/

let api: HttpApi
let iot: TestIot
let ours: Place
let theirs: Place
let admin: string

beforeAll(async () => {
  iot = await startTestIot()
  api = await startHttpApi({ iot: iot.iot, iotData: iot.iotData })
  const company = await createPlaces(api.database.master, ['north'])
  ;[ours] = company.places as [Place]
  ;[theirs] = (await createPlaces(api.database.master, ['north'])).places as [Place]
  admin = await createUser(api.database.master, company.tenant.tenantId, 'admin', 'all')
  // Its first request notes that the user has been seen.
  await api.request('GET', '/v1/me', { as: admin })
})
afterAll(async () => {
  await api.close()
  await iot.close()
})

interface Seen {
  answer: HttpAnswer
  /** Statements to the database and calls to AWS, without their values. */
  work: string[]
}

async function send(route: Route, call: ExampleCall): Promise<Seen> {
  const query = vi.spyOn(pg.Client.prototype, 'query')
  const called = iot.calls.length
  const answer = await api.request(route.method, pathOf(route.path, call), { as: admin, body: call.body })
  const work = query.mock.calls.map(([statement]) => {
    const { text } = typeof statement === 'string' ? { text: statement } : statement
    return text
  })
  query.mockRestore()
  return { answer, work: [...work, ...iot.calls.slice(called)] }
}

/** All there is in the database, as one text. */
async function everything(): Promise<string> {
  const { master } = api.database
  const { rows } = await master.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
       and not relispartition order by 1`,
  )
  const contents = await Promise.all(
    rows.map(({ name }) => master.query(`select md5(string_agg(t::text, '' order by t::text)) from "${name}" t`)),
  )
  return JSON.stringify(contents.map((content, index) => [rows[index]!.name, content.rows]))
}

const withoutRequestId = ({ status, body }: HttpAnswer) => ({ status, body: { ...(body as object), requestId: '' } })

const judged = routes
  .filter(({ kind }) => kind !== 'open')
  .map((route) => ({ route, name: `${route.method} ${route.path}` }))
let swapped = 0

describe.each(judged)('$name', ({ route }) => {
  it('tells another company’s ids and ids of nothing apart in no way', async () => {
    const call = await exampleCall(route.operationId, ours)
    const references = referencesOf(call, await exampleCall(route.operationId, theirs))
    for (const { path, other } of references) {
      const before = await everything()
      const nowhere = UUID.test(String(other)) ? uuidv7() : `nothing-${randomUUID().slice(0, 8)}`
      // Once before, for what a first call does: plans, caches.
      await send(route, withValue(call, path, nowhere))
      const unknown = await send(route, withValue(call, path, nowhere))
      const foreign = await send(route, withValue(call, path, other))
      expect(foreign.answer.status, JSON.stringify(foreign.answer.body)).toBe(404)
      expect(withoutRequestId(foreign.answer)).toEqual(withoutRequestId(unknown.answer))
      expect(foreign.work.length).toBeGreaterThan(2)
      expect(foreign.work, path.join('.')).toEqual(unknown.work)
      const told = JSON.stringify(foreign.answer)
      for (const trace of [...theirs.traces, ...theirs.tenantTraces]) expect(told).not.toContain(trace)

      // Beside one of ours in a list: all or nothing.
      const list = path.slice(0, -1)
      if (typeof path.at(-1) === 'number') {
        const mixed = withValue(call, list, [valueAt(call, path), other])
        expect((await send(route, mixed)).answer.status).toBe(404)
      }
      expect(await everything()).toBe(before)
      swapped++
    }
    if (/\{/.test(route.path)) expect(references.length, 'what its path names').toBeGreaterThan(0)
  })
})

const filters = judged.flatMap(({ route, name }) => {
  const { properties = {} } = route.query === undefined ? {} : toJsonSchema(route.query, { errorMode: 'ignore' })
  return Object.entries(properties)
    .filter(([, property]) => JSON.stringify(property).includes('"format":"uuid"'))
    .map(([parameter]) => ({ route, parameter, name: `${name}?${parameter}=` }))
})

it.each(filters)(
  '$name tells no more of another company’s id than of one that is nowhere',
  async ({ route, parameter }) => {
    const other = (theirs as unknown as Record<string, unknown>)[parameter]
    expect(other, 'what a place has under this name').toMatch(UUID)
    const call = await exampleCall(route.operationId, ours)
    const of = (id: unknown) => send(route, { ...call, query: { ...call.query, [parameter]: String(id) } })
    await of(uuidv7())
    const [unknown, foreign] = [await of(uuidv7()), await of(other)]
    expect(withoutRequestId(foreign.answer)).toEqual(withoutRequestId(unknown.answer))
    expect(foreign.work).toEqual(unknown.work)
    expect(foreign.answer.body).toMatchObject(foreign.answer.status === 200 ? { items: [] } : { status: 404 })
  },
)

it('filters by ids in some lists', () => expect(filters.length).toBeGreaterThan(4))

it('was tried with many', () => expect(swapped).toBeGreaterThan(20))

const valueAt = (call: ExampleCall, path: (string | number)[]): unknown =>
  leavesOf(call).find(([there]) => JSON.stringify(there) === JSON.stringify(path))![1]
