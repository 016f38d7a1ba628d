/** The HTTP API's function as API Gateway calls it, on a database of the test file's own. */
import { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi'
import { IoTClient } from '@aws-sdk/client-iot'
import { IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane'
import { S3Client } from '@aws-sdk/client-s3'
import { SQSClient } from '@aws-sdk/client-sqs'
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import { randomUUID } from 'node:crypto'
import * as v from 'valibot'
import { expect, inject } from 'vitest'
import { answerRequest } from '../../lambdas/api/answer-request.ts'
import { openApiDocument } from '../../lambdas/api/openapi.ts'
import { findRoute } from '../../lambdas/api/find-route.ts'
import { routes } from '../../lambdas/api/routes.ts'
import type { Services } from '../../lambdas/api/services.ts'
import type { Database } from '../../lambdas/data/database.ts'
import { Objects } from '../../lambdas/runtime/objects.ts'
import { openPostgres } from '../../lambdas/runtime/postgres.ts'
import { openRedis } from '../../lambdas/runtime/redis.ts'
import { Problem } from '../../schemas/api.ts'
import { describedBy } from './described-answers.ts'
import { type FirebaseServer, startFirebase } from './firebase-server.ts'
import { createDatabase, type TestDatabase } from './postgres.ts'

export interface HttpAnswer {
  status: number
  headers: Record<string, unknown>
  body: unknown
}

type Request = (
  method: string,
  path: string,
  /**
   * `as` is the Firebase uid that the authorizer has verified; without it there is none. `signedInAt`: epoch ms, after
   * everything so far if it is not said.
   */
  options?: {
    as?: string
    signedInAt?: number
    body?: unknown
    rawBody?: string
    headers?: Record<string, string>
    from?: string
  },
) => Promise<HttpAnswer>

export interface HttpApi {
  database: TestDatabase
  services: Services
  request: Request
  /** Started when it is first used. */
  firebase(): Promise<FirebaseServer>
  /** The same function once more, with a connection to the database of its own. */
  anotherInstance(): { request: Request; close(): Promise<void> }
  close(): Promise<void>
}

const TEST_ACCESS = { accessKeyId: 'test', secretAccessKey: 'test' }

export async function startHttpApi(overrides: Partial<Services> = {}): Promise<HttpApi> {
  const database = await createDatabase()
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = database.environment('iot_api') as Record<
    'PGHOST' | 'PGPORT' | 'PGDATABASE' | 'PGUSER' | 'PGPASSWORD',
    string
  >
  const settings = { PGHOST, PGPORT: Number(PGPORT), PGDATABASE, PGUSER, PGPASSWORD, AWS_REGION: 'us-east-1' }
  const postgres = openPostgres<Database>(settings)
  const redis = openRedis({ REDIS_URL: inject('redisUrl') })
  let firebase: Promise<FirebaseServer> | undefined
  const startedFirebase = () => (firebase ??= startFirebase())
  const services: Services = {
    db: postgres.db,
    redis,
    iotData: new IoTDataPlaneClient({ region: 'us-east-1', endpoint: 'http://127.0.0.1:1', maxAttempts: 1 }),
    iot: new IoTClient({ region: 'us-east-1', credentials: TEST_ACCESS }),
    sockets: new ApiGatewayManagementApiClient({ region: 'us-east-1', endpoint: 'http://127.0.0.1:1', maxAttempts: 1 }),
    accounts: async () => (await startedFirebase()).accounts,
    sqs: new SQSClient({
      ...{ region: 'us-east-1', endpoint: 'http://127.0.0.1:1', maxAttempts: 1 },
      credentials: TEST_ACCESS,
    }),
    fanOutQueueUrl: 'http://127.0.0.1:1/000000000000/fan-out.fifo',
    alarmQueueUrl: 'http://127.0.0.1:1/000000000000/alarms',
    exportQueueUrl: 'http://127.0.0.1:1/000000000000/exports',
    exports: new Objects('exports', new S3Client({ region: 'us-east-1', credentials: TEST_ACCESS })),
    webhookKey: () => Promise.resolve(Buffer.alloc(32, 7)),
    stage: 'test',
    apiUrl: 'https://api.example.com',
    realtimeUrl: 'wss://live.example.com/live',
    hotRetentionDays: 30,
    historyRetentionDays: 730,
    // Tests of the limit set their own.
    rateLimits: {
      user: { perSecond: 1e6, burst: 1e6 },
      tenant: { perSecond: 1e6, burst: 1e6 },
      wrongSecret: { perSecond: 1e6, burst: 1e6 },
    },
    iotCaPem: 'CA',
    ...overrides,
  }
  return {
    database,
    services,
    request: (...call) => request(services, ...call),
    firebase: startedFirebase,
    anotherInstance() {
      const own = openPostgres<Database>(settings)
      return { request: (...call) => request({ ...services, db: own.db }, ...call), close: own.close }
    },
    async close() {
      if (firebase) await (await firebase).close()
      redis.close()
      await postgres.close()
      await database.close()
    },
  }
}

async function request(
  services: Services,
  method: string,
  path: string,
  { as, signedInAt, body, rawBody, headers: sent, from }: Parameters<Request>[2] = {},
): Promise<HttpAnswer> {
  const text = rawBody ?? (body === undefined ? undefined : JSON.stringify(body))
  const event = httpEvent(method, path, as, text, sent, signedInAt, from)
  const answered = await answerRequest(services, event)
  const answer = { status: answered.statusCode ?? 0, headers: answered.headers ?? {}, body: readBody(answered) }
  expectDescribed(event, answer)
  return answer
}

/** JSON as what it means, other content as it is, and undefined when there is none. */
function readBody({ headers, body, isBase64Encoded }: APIGatewayProxyStructuredResultV2): unknown {
  if (body === undefined) return undefined
  if (isBase64Encoded) return Buffer.from(body, 'base64')
  return String(headers?.['content-type']).includes('json') ? (JSON.parse(body) as unknown) : body
}

function httpEvent(
  method: string,
  path: string,
  uid?: string,
  body?: string,
  headers: Record<string, string> = {},
  signedInAt = Date.now() + 1000,
  sourceIp = '192.0.2.1',
): APIGatewayProxyEventV2 {
  // As it was sent: API Gateway resolves no dots.
  const [pathname = '', search = ''] = path.split(/\?(.*)/s)
  const searchParams = new URLSearchParams(search)
  return {
    version: '2.0',
    routeKey: 'ANY /v1/{proxy+}',
    rawPath: pathname,
    rawQueryString: search,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    isBase64Encoded: false,
    ...(search !== '' && { queryStringParameters: Object.fromEntries(searchParams) }),
    ...(body !== undefined && { body }),
    requestContext: {
      http: { method, path: pathname, protocol: 'HTTP/1.1', sourceIp, userAgent: 'test' },
      requestId: randomUUID(),
      ...(uid !== undefined && { authorizer: { lambda: { uid, authTime: Math.floor(signedInAt / 1000) } } }),
    } as APIGatewayProxyEventV2['requestContext'],
  }
}

const document: unknown = JSON.parse(JSON.stringify(openApiDocument(routes)))
const expectAsDocumented = describedBy(document)

/** Whatever the test is about: an answer is what the OpenAPI document says of it, and nothing more. */
function expectDescribed(event: APIGatewayProxyEventV2, { status, headers, body }: HttpAnswer): void {
  const { method, path } = event.requestContext.http
  const contentType = headers['content-type'] as string | undefined
  expectAsDocumented({ method, path, status, contentType, body })
  expect(headers).toMatchObject({
    'x-request-id': event.requestContext.requestId,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cache-control': 'no-store',
  })
  // The page asks its own origin, and no other one may read.
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  if (contentType === 'application/problem+json') {
    expect(v.parse(v.strictObject(Problem.entries), body)).toMatchObject({ status, requestId: headers['x-request-id'] })
    return
  }
  const { schema } = findRoute(routes, method, path).route.answer
  if (contentType === 'application/json') expect(v.parse(schema!, body)).toEqual(body)
}
