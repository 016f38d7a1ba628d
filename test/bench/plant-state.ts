/** The current state of a plant with 1,000 machines through the bundle of the HTTP API: both pages that it takes. */
import { randomUUID } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import * as v from 'valibot'
import { MachinePage } from '../../schemas/api.ts'
import { buildBundle } from '../../cdk/constructs/bundle.ts'
import { type Figure, percentile } from './figure.ts'
import { MACHINES, readingsOf } from './ingest-readings.ts'
import { startIngestSystem } from './ingest-system.ts'

const CALLS = 200
/** So many that none asks more often than a user may. */
const USERS = 20

export async function benchPlantState(): Promise<Figure> {
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
    Object.assign(process.env, system.environment, { PGUSER: 'iot_api' })
    const { handler } = (await import(pathToFileURL(join(folder, 'index.mjs')).href)) as {
      handler: (event: object, context: object) => Promise<APIGatewayProxyStructuredResultV2>
    }
    const page = async (cursor: string | null) => {
      const query = { limit: '500', ...(cursor !== null && { cursor }) }
      const answer = await handler(request(`/v1/plants/${plantId}/machines`, query), { awsRequestId: randomUUID() })
      if (answer.statusCode !== 200) throw new Error(`the API answered ${answer.statusCode}: ${answer.body}`)
      return answer.body!
    }
    const all = async () => {
      const first = await page(null)
      const cursor = (JSON.parse(first) as { nextCursor: string | null }).nextCursor
      return [first, await page(cursor)]
    }
    const machines = (await all()).flatMap((text) => v.parse(MachinePage, JSON.parse(text)).items)
    if (machines.length !== MACHINES || machines.some(({ state }) => state === null))
      throw new Error(`${machines.length} machines, not ${MACHINES} with a state each`)
    const delays: number[] = []
    for (let call = 0; call < CALLS; call += 1) {
      const started = performance.now()
      await all()
      delays.push(performance.now() - started)
    }
    const p95 = percentile(delays, 95)
    return {
      what: 'current state of a plant with 1,000 machines through the API, two pages of 500',
      measured: `p95 ${p95.toFixed(0)} ms, median ${percentile(delays, 50).toFixed(0)} ms for both pages together`,
      toReach: 'p95 at most 60 ms',
      reached: p95 <= 60,
    }
  } finally {
    await system.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const request = (path: string, query: Record<string, string>) => ({
  version: '2.0',
  routeKey: 'ANY /v1/{proxy+}',
  rawPath: path,
  rawQueryString: new URLSearchParams(query).toString(),
  headers: {},
  isBase64Encoded: false,
  queryStringParameters: query,
  requestContext: {
    http: { method: 'GET', path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'bench' },
    requestId: randomUUID(),
    authorizer: {
      lambda: { uid: `bench-${Math.floor(Math.random() * USERS)}`, authTime: Math.floor(Date.now() / 1000) },
    },
  },
})
