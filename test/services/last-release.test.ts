/**
 * The bundles of the last release, run against the schema of now, as they are between a deployment's migration and the new functions:
 * a reading is stored, rolled up and shown. Without a release yet they are those of now, which proves only that this test works.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { v7 as uuid } from 'uuid'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { telemetry } from '../helpers/envelopes.ts'
import { lambdaContext } from '../helpers/lambda-context.ts'
import { bundlesOf, lastRelease, sourcesOf } from '../helpers/last-release.ts'
import { createPlant, type TestPlant } from '../helpers/plant.ts'
import { createDatabase, type TestDatabase } from '../helpers/postgres.ts'
import { createUser } from '../helpers/tenants.ts'

type Handler = (event: unknown, context: unknown) => Promise<unknown>

const HOUR_MS = 3_600_000
const folder = mkdtempSync(join(tmpdir(), 'last-release-'))
const AWAY = 'http://127.0.0.1:1/000000000000/none'
let database: TestDatabase
let plant: TestPlant
let bundles: Record<string, string>

beforeAll(async () => {
  database = await createDatabase()
  plant = await createPlant(database.master, `t-${uuid().slice(-8)}`)
  bundles = bundlesOf(sourcesOf(lastRelease(), folder), ['ingest', 'rollup', 'api'], folder)
})
afterAll(async () => {
  await database.close()
  rmSync(folder, { recursive: true })
})

/** A bundle reads its environment when it is loaded. */
async function load(name: string, role: Parameters<TestDatabase['environment']>[0]): Promise<Handler> {
  Object.assign(process.env, database.environment(role), {
    ...{ AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', STAGE: 'dev' },
    ...{ REDIS_URL: inject('redisUrl'), HOT_RETENTION_DAYS: '30', HISTORY_RETENTION_DAYS: '90' },
    ...{ QUEUE_URL: AWAY, DEAD_LETTER_QUEUE_URL: AWAY, FAN_OUT_QUEUE_URL: AWAY, ALARM_QUEUE_URL: AWAY },
    ...{ EXPORT_QUEUE_URL: AWAY, EXPORTS_BUCKET: 'none', API_URL: AWAY, REALTIME_URL: 'wss://127.0.0.1:1' },
    ...{ FIREBASE_PROJECT_ID: 'p', FIREBASE_API_KEY: 'k', FIREBASE_SECRET_ARN: 'arn', WEBHOOK_KEY_SECRET_ARN: 'arn' },
    ...{ POWERTOOLS_SERVICE_NAME: name, POWERTOOLS_METRICS_NAMESPACE: 'IotTelemetry' },
  })
  const { handler } = (await import(pathToFileURL(bundles[name]!).href)) as { handler: Handler }
  return handler
}

it('stores, rolls up and shows a reading', async () => {
  const ingest = await load('ingest', 'iot_ingest')
  const timestamp = Date.now() - 2 * HOUR_MS
  const body = telemetry(plant, 'press', { timestamp, seq: 1, values: { temperature: 71.5 } })
  const record = { messageId: 'm', receiptHandle: 'r', body, attributes: { ApproximateReceiveCount: '1' } }
  expect(await ingest({ Records: [record] }, lambdaContext)).toEqual({ batchItemFailures: [] })
  const { rows } = await database.master.query<{ machine_id: string }>('select machine_id from telemetry_events')
  expect(rows).toHaveLength(1)

  const rollup = await load('rollup', 'iot_rollup')
  await rollup({}, { ...lambdaContext, getRemainingTimeInMillis: () => 60_000 })
  expect((await database.master.query('select from rollups')).rowCount).toBe(1)

  const api = await load('api', 'iot_api')
  const uid = await createUser(database.master, plant.tenantId, 'viewer', 'all')
  const query = { tag: 'temperature', from: String(timestamp - HOUR_MS), to: String(timestamp + HOUR_MS) }
  const path = `/v1/machines/${rows[0]!.machine_id}/history`
  const answer = (await api(
    {
      ...{ rawPath: path, rawQueryString: new URLSearchParams(query).toString(), queryStringParameters: query },
      ...{ headers: {}, isBase64Encoded: false },
      requestContext: {
        ...{ http: { method: 'GET', path, sourceIp: '192.0.2.1' }, requestId: 'r' },
        authorizer: { lambda: { uid, authTime: Math.floor(Date.now() / 1000) + 1 } },
      },
    },
    lambdaContext,
  )) as { statusCode: number; body: string }
  expect(answer.statusCode, answer.body).toBe(200)
  expect((JSON.parse(answer.body) as { points: number[][] }).points.map((point) => point[2])).toEqual([71.5])
})
