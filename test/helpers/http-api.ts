/** The HTTP API's function as API Gateway calls it, on a database of the test file's own. */
import { IoTClient } from '@aws-sdk/client-iot'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { randomUUID } from 'node:crypto'
import * as v from 'valibot'
import { expect, inject } from 'vitest'
import { answerRequest } from '../../lambdas/api/answer-request.ts'
import { findRoute } from '../../lambdas/api/find-route.ts'
import { routes } from '../../lambdas/api/routes.ts'
import type { Services } from '../../lambdas/api/services.ts'
import type { Database } from '../../lambdas/data/database.ts'
import { openPostgres } from '../../lambdas/runtime/postgres.ts'
import { openRedis } from '../../lambdas/runtime/redis.ts'
import { Problem } from '../../schemas/api.ts'
import { createDatabase, type TestDatabase } from './postgres.ts'

export interface HttpAnswer {
  status: number
  headers: Record<string, unknown>
  body: unknown
}

export interface HttpApi {
  database: TestDatabase
  services: Services
  /** `as` is the Firebase uid that the authorizer has verified; without it there is none. */
  request(
    method: string,
    path: string,
    options?: { as?: string; body?: unknown; rawBody?: string },
  ): Promise<HttpAnswer>
  close(): Promise<void>
}

export async function startHttpApi(overrides: Partial<Services> = {}): Promise<HttpApi> {
  const database = await createDatabase()
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = database.environment('iot_api') as Record<
    'PGHOST' | 'PGPORT' | 'PGDATABASE' | 'PGUSER' | 'PGPASSWORD',
    string
  >
  const settings = { PGHOST, PGPORT: Number(PGPORT), PGDATABASE, PGUSER, PGPASSWORD, AWS_REGION: 'us-east-1' }
  const postgres = openPostgres<Database>(settings)
  const redis = openRedis({ REDIS_URL: inject('redisUrl') })
  const services: Services = {
    db: postgres.db,
    redis,
    iot: new IoTClient({ region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } }),
    apiUrl: 'https://api.example.com',
    realtimeUrl: 'wss://live.example.com/live',
    hotRetentionDays: 30,
    historyRetentionDays: 730,
    iotCaPem: 'CA',
    ...overrides,
  }
  return {
    database,
    services,
    async request(method, path, { as, body, rawBody } = {}) {
      const text = rawBody ?? (body === undefined ? undefined : JSON.stringify(body))
      const event = httpEvent(method, path, as, text)
      const { statusCode = 0, headers = {}, body: answered = '' } = await answerRequest(services, event)
      const answer = { status: statusCode, headers, body: JSON.parse(answered) as unknown }
      expectDescribed(event, answer)
      return answer
    },
    async close() {
      redis.close()
      await postgres.close()
      await database.close()
    },
  }
}

function httpEvent(method: string, path: string, uid?: string, body?: string): APIGatewayProxyEventV2 {
  const { pathname, searchParams, search } = new URL(path, 'https://api.example.com')
  return {
    version: '2.0',
    routeKey: 'ANY /v1/{proxy+}',
    rawPath: pathname,
    rawQueryString: search.slice(1),
    headers: {},
    isBase64Encoded: false,
    ...(search && { queryStringParameters: Object.fromEntries(searchParams) }),
    ...(body !== undefined && { body }),
    requestContext: {
      http: { method, path: pathname, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'test' },
      requestId: randomUUID(),
      ...(uid !== undefined && { authorizer: { lambda: { uid, email: `${uid}@example.com` } } }),
    } as APIGatewayProxyEventV2['requestContext'],
  }
}

/** Whatever the test is about: an answer is what the OpenAPI document says of it. */
function expectDescribed(event: APIGatewayProxyEventV2, { status, headers, body }: HttpAnswer): void {
  expect(headers['x-request-id']).toBe(event.requestContext.requestId)
  if (headers['content-type'] === 'application/problem+json') {
    expect(v.parse(v.strictObject(Problem.entries), body)).toMatchObject({ status, requestId: headers['x-request-id'] })
    return
  }
  const { route } = findRoute(routes, event.requestContext.http.method, event.rawPath)
  expect(v.parse(route.answer.schema, body)).toEqual(body)
}
