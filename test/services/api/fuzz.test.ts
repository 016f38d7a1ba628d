/**
 * 9,000 requests to the routes and 1,000 messages to the live socket, made from their descriptions: never a 5xx, never a trace of our inside in
 * an answer, and each answer as the document says. FUZZ_SEED gives other ones; what fails is shown with its seed.
 */
import fc from 'fast-check'
import { toJsonSchema } from '@valibot/to-json-schema'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openApiDocument } from '../../../lambdas/api/openapi.ts'
import { routes } from '../../../lambdas/api/routes.ts'
import { LiveClientMessage } from '../../../schemas/live.ts'
import { exampleCall, type ExampleCall, leavesOf, pathOf, withValue } from '../../helpers/example-calls.ts'
import { fieldsOf, HOSTILE_TEXTS, hostileText, hostileValue, valuesFor } from '../../helpers/hostile-values.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { type LiveSocket, startLiveSocket } from '../../helpers/live-socket.ts'
import { createPlaces, type Place } from '../../helpers/places.ts'
import { createUser } from '../../helpers/tenants.ts'
import { startTestIot, type TestIot } from '../../helpers/test-iot.ts'

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_126)
const REQUESTS = 9_000
const MESSAGES = 1_000
const INSTANCES = 6

/** Files, frames of a stack, and words of Postgres, Node and our libraries. */
const INSIDE =
  /node_modules|\.ts:\d|\.mjs|\bat [\w.<>]+ \(|SQLSTATE|syntax error|relation "|violates|invalid input syntax|ECONN|TypeError|undefined is not|kysely|valibot/i

interface Operation {
  parameters: { name: string; in: string; schema: Record<string, unknown> }[]
  requestBody?: { content: { 'application/json': { schema: Record<string, unknown> } } }
}
interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Record<string, unknown>> }
}
interface Sent {
  method: string
  path: string
  headers: Record<string, string>
  rawBody: string | undefined
}

const document = JSON.parse(JSON.stringify(openApiDocument(routes))) as Document
let api: HttpApi
let iot: TestIot
let live: LiveSocket
let ours: Place
let theirs: Place
let admin: string

beforeAll(async () => {
  iot = await startTestIot()
  api = await startHttpApi({ iot: iot.iot, iotData: iot.iotData })
  live = startLiveSocket(api)
  ;[ours] = (await createPlaces(api.database.master, ['north', 'south'])).places as [Place]
  ;[theirs] = (await createPlaces(api.database.master, ['north'])).places as [Place]
  admin = await createUser(api.database.master, ours.tenantId, 'admin', 'all')
})
afterAll(async () => {
  live.close()
  await api.close()
  await iot.close()
})

const values = (hostility: number) => {
  const ids = [ours, theirs].flatMap(({ plantId, machineId, deadLetterId, userId }) => [
    plantId,
    machineId,
    deadLetterId,
    userId,
  ])
  return valuesFor(document, ids, [ours.thingName, theirs.thingName, 'temperature', 'north'], hostility)
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
/** Escaped or as it is, but for what ends a path or makes no request. */
const inPath = (text: string) => fc.constantFrom(encodable(text), text.replaceAll(/[?#\s]/g, ''))
const encodable = (text: string) => encodeURIComponent(text.toWellFormed())

const RAW_BODIES = [
  ...[
    '',
    ' ',
    '{',
    '[]',
    'null',
    '"text"',
    '1',
    'NaN',
    '{"a":1,}',
    '\u0000',
    '\ufeff{}',
    '{"a":"\\ud800"}',
    '{"name":"\\u0000"}',
  ],
  ...[
    '['.repeat(50_000),
    `${'['.repeat(300_000)}${']'.repeat(300_000)}`,
    '{"a":'.repeat(50_000),
    `{"a":"${'x'.repeat(1_100_000)}"}`,
    '{"slug":"a","slug":"b"}',
    '<a/>',
    'a=b',
  ],
]

/** Requests of one operation: from the description, and from its example with one value after another made hostile. */
function requestsOf(
  template: string,
  method: string,
  operation: Operation,
  examples: ExampleCall[],
): fc.Arbitrary<Sent> {
  const inPlace = (place: string) => operation.parameters.filter((parameter) => parameter.in === place)
  const schema = operation.requestBody?.content['application/json'].schema
  const described = (hostility: number): fc.Arbitrary<ExampleCall> => {
    const value = values(hostility)
    const recordOf = (place: string, more: object) =>
      fc.record(Object.fromEntries(inPlace(place).map((one) => [one.name, value(one.schema)])), more)
    const body = schema === undefined ? fc.constant(undefined) : value(schema)
    // Mostly of things that are there, so that what lies behind is reached.
    const params = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...examples.map((one) => one.params ?? {})) },
      { weight: 1, arbitrary: recordOf('path', {}) },
    )
    return fc.record({ params, query: recordOf('query', { requiredKeys: [] }), body }) as never
  }
  const withOneHostile = (call: ExampleCall): fc.Arbitrary<ExampleCall> => {
    const leaves = leavesOf(call).filter(([path, value]) => path.length > 1 && value !== undefined)
    if (leaves.length === 0) return fc.constant(call)
    return fc.tuple(fc.constantFrom(...leaves), hostileValue).map(([[path], hostile]) => withValue(call, path, hostile))
  }
  const calls = fc.oneof(
    described(2),
    described(0).chain(withOneHostile),
    fc.constantFrom(...examples).chain(withOneHostile),
  )
  const text =
    schema === undefined
      ? fc.constant(undefined)
      : fc.option(fc.constantFrom(...RAW_BODIES), { freq: 20, nil: undefined })
  const headers = fc.record(
    { 'idempotency-key': hostileText, 'if-match': hostileText, accept: hostileText, 'content-type': hostileText },
    { requiredKeys: [] },
  )
  return fc
    .tuple(calls, text, fc.option(headers, { freq: 4, nil: {} }), hostileText)
    .chain(([{ params = {}, query = {}, body }, raw, sentHeaders, extra]) =>
      fc.tuple(...Object.values(params).map((one) => inPath(asText(one))), fc.boolean()).map((parts) => {
        const names = Object.keys(params)
        const path = template.replace(/\{(\w+)\}/g, (_, name: string) => String(parts[names.indexOf(name)]))
        const search = new URLSearchParams(
          Object.entries(query).map(([key, one]): [string, string] => [key, asText(one).toWellFormed()]),
        )
        if (parts.at(-1) === true && search.size > 0) search.append(extra.toWellFormed(), extra.toWellFormed())
        const rawBody = raw ?? (body === undefined ? undefined : JSON.stringify(body))
        return { method, path: search.size > 0 ? `${path}?${search.toString()}` : path, headers: sentHeaders, rawBody }
      }),
    )
}

/** The example of an operation, and it with each of its fields in turn, given or not, as each hostile text. */
async function sweepOf({ operationId, method, path }: (typeof routes)[number], operation: Operation): Promise<Sent[]> {
  const schema = operation.requestBody?.content['application/json'].schema
  const places = [
    ...operation.parameters
      .filter((one) => one.in !== 'header')
      .map((one) => [one.in === 'path' ? 'params' : 'query', one.name]),
    ...(schema === undefined ? [] : fieldsOf(document, schema).map((field) => ['body', field])),
  ]
  const calls = [await exampleCall(operationId, ours)]
  for (const [part, field] of places as [keyof ExampleCall, string][]) {
    for (const text of HOSTILE_TEXTS) {
      const example = await exampleCall(operationId, ours)
      calls.push({ ...example, [part]: { ...example[part], [field]: part === 'body' ? text : text.toWellFormed() } })
    }
  }
  return calls.map((call) => ({
    ...{ method, path: pathOf(path, call), headers: {} },
    rawBody: call.body === undefined ? undefined : JSON.stringify(call.body),
  }))
}

it('answers whatever is sent to the routes', { timeout: 240_000 }, async () => {
  const operations = routes.map((route) => ({
    route,
    operation: document.paths[route.path]![route.method.toLowerCase()]!,
  }))
  const requests: Sent[] = []
  for (const { route, operation } of operations) requests.push(...(await sweepOf(route, operation)))
  const each = Math.max(50, Math.ceil((REQUESTS - requests.length) / operations.length))
  for (const [index, { route, operation }] of operations.entries()) {
    const examples = [await exampleCall(route.operationId, ours), await exampleCall(route.operationId, theirs)]
    const arbitrary = requestsOf(route.path, route.method, operation, examples)
    requests.push(...fc.sample(arbitrary, { numRuns: each, seed: SEED + index }))
  }

  const instances = Array.from({ length: INSTANCES }, () => api.anotherInstance())
  const statuses = new Map<number, number>()
  const waiting = requests.values()
  const failures: string[] = []
  const work = async (instance: (typeof instances)[number]) => {
    for (const sent of waiting) {
      const problem = await instance.request(sent.method, sent.path, { ...sent, as: admin }).then(
        ({ status, body }) => {
          statuses.set(status, (statuses.get(status) ?? 0) + 1)
          const told = Buffer.isBuffer(body) ? '' : JSON.stringify(body ?? null)
          if (status >= 500) return `answered ${status}`
          return status >= 400 && INSIDE.test(told) ? `told ${told.slice(0, 500)}` : undefined
        },
        (error: unknown) => String(error),
      )
      if (problem !== undefined) failures.push(`${problem}\n  ${JSON.stringify(sent).slice(0, 700)}`)
    }
  }
  await Promise.all(instances.map(work))
  await Promise.all(instances.map((instance) => instance.close()))
  expect(failures.slice(0, 10), `${failures.length} failures with FUZZ_SEED=${SEED}`).toEqual([])
  // Both what is refused and what works has been reached.
  for (const status of [200, 201, 400, 404]) expect(statuses.get(status) ?? 0, String(status)).toBeGreaterThan(50)
})

it('answers whatever is sent to the live socket', { timeout: 60_000 }, async () => {
  const value = values(1)
  const message = value(toJsonSchema(LiveClientMessage, { errorMode: 'ignore' }) as Record<string, unknown>)
  const texts = fc.sample(
    fc.oneof(
      message.map((one) => JSON.stringify(one)),
      fc.constantFrom(...RAW_BODIES.filter((text) => text.length < 32_768)),
      hostileText,
    ),
    { numRuns: MESSAGES, seed: SEED },
  )
  const connect = async () => {
    const { body } = await api.request('POST', '/v1/realtime/ticket', { as: admin, body: {} })
    return (await live.connect((body as { ticket: string }).ticket)).connectionId
  }
  let connectionId = ''
  const kinds = new Map<string, number>()
  for (const [index, text] of texts.entries()) {
    // One that sends many more is closed.
    if (index % 50 === 0) connectionId = await connect()
    for (const frame of await live.send(connectionId, text)) {
      const { type, code } = JSON.parse(frame) as { type: string; code?: string }
      const kind = code ?? type
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      expect(kind, text.slice(0, 500)).not.toBe('internal')
      expect(frame.slice(0, 2_000), text.slice(0, 500)).not.toMatch(INSIDE)
    }
  }
  for (const kind of ['invalid_message', 'snapshot', 'not_found', 'pong'])
    expect(kinds.get(kind) ?? 0, kind).toBeGreaterThan(0)
})
