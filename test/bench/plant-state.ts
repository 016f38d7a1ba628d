/**
 * A plant with 1,000 machines through the bundle of the HTTP API: its current state (both pages that it takes), and the trends of a
 * screen of tiles, with ten minutes of readings of all machines at one a second.
 */
import { randomUUID } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import type pg from 'pg'
import * as v from 'valibot'
import { MachinePage, TREND, Trends } from '../../schemas/api.ts'
import { buildBundle } from '../../cdk/constructs/bundle.ts'
import { type Figure, percentile } from './figure.ts'
import { MACHINES, readingsOf } from './ingest-readings.ts'
import { startIngestSystem } from './ingest-system.ts'

const CALLS = 200
/** Tiles that a screen of 1440x900 has drawn at once, with what is kept ready above and below. */
const TILES = 36
const TAGS = ['tag-0', 'tag-1', 'tag-2', 'tag-3']
/** So many that none asks more often than a user may. */
const USERS = 20

export async function benchPlantState(): Promise<Figure[]> {
  const environmentBefore = process.env
  const folder = mkdtempSync(join(tmpdir(), 'bench-api-'))
  const system = await startIngestSystem()
  try {
    const [consumer] = await system.consumers(1)
    const since = Date.now() - 1_000
    await consumer!.do({
      store: readingsOf({ round: 0, first: 0, size: MACHINES, firstSeq: since, seqStep: 1, since }),
    })
    const { rows } = await system.client.query<{ plant: string }>(
      `insert into users (id, tenant_id, firebase_uid, email, role, all_plants, created_at, updated_at)
       select gen_random_uuid(), tenant_id, 'bench-' || n, n || '@example.com', 'viewer', true, 0, 0
       from plants, generate_series(0, ${USERS - 1}) n
       returning (select id from plants) as plant`,
    )
    const plantId = rows[0]!.plant
    buildBundle('api', folder)
    process.env = { ...system.environment, PGUSER: 'iot_api' } // which the bundle reads when it is imported
    const { handler } = (await import(pathToFileURL(join(folder, 'index.mjs')).href)) as {
      handler: (event: object, context: object) => Promise<APIGatewayProxyStructuredResultV2>
    }
    const ask = async (event: object) => {
      const answer = await handler(event, { awsRequestId: randomUUID() })
      if (answer.statusCode !== 200) throw new Error(`the API answered ${answer.statusCode}: ${answer.body}`)
      return answer.body!
    }
    const page = (cursor: string | null) =>
      ask(request('GET', `/v1/plants/${plantId}/machines`, { limit: '500', ...(cursor !== null && { cursor }) }))
    const all = async () => {
      const first = await page(null)
      const cursor = (JSON.parse(first) as { nextCursor: string | null }).nextCursor
      return [first, await page(cursor)]
    }
    const machines = (await all()).flatMap((text) => v.parse(MachinePage, JSON.parse(text)).items)
    if (machines.length !== MACHINES || machines.some(({ state }) => state === null))
      throw new Error(`${machines.length} machines, not ${MACHINES} with a state each`)
    const state = await timed(all)
    await fillTenMinutes(system.client, since)
    let bytes = 0
    const trends = await timed(async () => {
      const first = Math.floor(Math.random() * (MACHINES - TILES))
      const asked = machines.slice(first, first + TILES).map(({ machineId }) => ({ machineId, tags: TAGS }))
      const text = await ask(request('POST', `/v1/plants/${plantId}/trends`, {}, { machines: asked }))
      bytes = text.length
      const { items } = v.parse(Trends, JSON.parse(text))
      const missing = items.flatMap(({ values }) => Object.values(values).flat()).filter((value) => value === null)
      if (items.length !== TILES || missing.length > 0)
        throw new Error(`trends of ${items.length} machines, ${missing.length} steps without a value`)
    })
    return [
      {
        what: 'current state of a plant with 1,000 machines through the API, two pages of 500',
        measured: `p95 ${state.p95.toFixed(0)} ms, median ${state.median.toFixed(0)} ms for both pages together`,
        toReach: 'p95 at most 60 ms',
        reached: state.p95 <= 60,
      },
      {
        what: `trends of a screen (${TILES} of 1,000 machines, ${TAGS.length} tags each, ${TREND.steps} steps) through the API`,
        measured: `p95 ${trends.p95.toFixed(0)} ms, median ${trends.median.toFixed(0)} ms, ${Math.round(bytes / 1024)} KB`,
        toReach: 'p95 at most 200 ms',
        reached: trends.p95 <= 200,
      },
    ]
  } finally {
    process.env = environmentBefore // the next bench starts a Redis of its own
    await system.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function timed(call: () => Promise<unknown>): Promise<{ p95: number; median: number }> {
  const delays: number[] = []
  for (let n = 0; n < CALLS; n += 1) {
    const started = performance.now()
    await call()
    delays.push(performance.now() - started)
  }
  return { p95: percentile(delays, 95), median: percentile(delays, 50) }
}

/** A reading a second of every machine, in the order of time, as they come: a machine's are never side by side. */
async function fillTenMinutes(client: pg.Client, until: number): Promise<void> {
  const seconds = (TREND.stepMs * TREND.steps) / 1000
  await client.query(
    `insert into telemetry_events (tenant_id, machine_id, ts, seq, received_at, values)
     select m.tenant_id, m.id, $1::int8 - s * 1000, s, $1::int8 - s * 1000,
       (select jsonb_object_agg('tag-' || t, round((random() * 100)::numeric, 1)) from generate_series(0, 9) t where s > 0)
     from generate_series(${seconds}, 1, -1) s, machines m`,
    [until],
  )
  await client.query('analyze telemetry_events')
}

const request = (method: string, path: string, query: Record<string, string>, body?: object) => ({
  version: '2.0',
  routeKey: 'ANY /v1/{proxy+}',
  rawPath: path,
  rawQueryString: new URLSearchParams(query).toString(),
  headers: body === undefined ? {} : { 'content-type': 'application/json' },
  ...(body !== undefined && { body: JSON.stringify(body) }),
  isBase64Encoded: false,
  queryStringParameters: query,
  requestContext: {
    http: { method, path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'bench' },
    requestId: randomUUID(),
    authorizer: {
      lambda: { uid: `bench-${Math.floor(Math.random() * USERS)}`, authTime: Math.floor(Date.now() / 1000) },
    },
  },
})
