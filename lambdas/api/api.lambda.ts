/** HTTP API under /v1. Its routes: routes.ts. Throws only what the frame cannot turn into an answer. */
import { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi'
import { IoTClient } from '@aws-sdk/client-iot'
import { IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane'
import { SQSClient } from '@aws-sdk/client-sqs'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import * as v from 'valibot'
import type { Database } from '../data/database.ts'
import type { Accounts } from '../runtime/accounts.ts'
import {
  accountsEnvironment,
  alarmEnvironment,
  historyEnvironment,
  postgresEnvironment,
  readEnvironment,
  redisEnvironment,
  retentionEnvironment,
} from '../runtime/environment.ts'
import { iotDataEndpoint } from '../gateways/endpoint.ts'
import { AMAZON_ROOT_CAS } from '../gateways/amazon-root-cas.ts'
import { frame } from '../runtime/frame.ts'
import { Objects } from '../runtime/objects.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { openRedis } from '../runtime/redis.ts'
import { sealingKey } from '../runtime/seal-secret.ts'
import { answerRequest } from './answer-request.ts'
import { RATE_LIMITS } from './rate-limit.ts'

const environment = readEnvironment({
  ...postgresEnvironment,
  ...redisEnvironment,
  ...retentionEnvironment,
  ...historyEnvironment,
  ...accountsEnvironment,
  ...alarmEnvironment,
  FAN_OUT_QUEUE_URL: v.pipe(v.string(), v.url()),
  EXPORT_QUEUE_URL: v.pipe(v.string(), v.url()),
  EXPORTS_BUCKET: v.string(),
  STAGE: v.string(),
  API_URL: v.pipe(v.string(), v.url()),
  REALTIME_URL: v.pipe(v.string(), v.url()),
  WEBHOOK_KEY_SECRET_ARN: v.string(),
  AWS_ENDPOINT_URL_IOT_DATA_PLANE: v.optional(v.string()),
  IOT_CA_PEM: v.optional(v.string(), AMAZON_ROOT_CAS),
})

let accounts: Promise<Accounts> | undefined

const iot = new IoTClient()

const services = {
  db: openPostgres<Database>(environment).db,
  redis: openRedis(environment),
  iot,
  iotData: new IoTDataPlaneClient(iotDataEndpoint(iot, environment.AWS_ENDPOINT_URL_IOT_DATA_PLANE)),
  stage: environment.STAGE,
  // Its endpoint comes from AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI.
  sockets: new ApiGatewayManagementApiClient(),
  sqs: new SQSClient(),
  fanOutQueueUrl: environment.FAN_OUT_QUEUE_URL,
  alarmQueueUrl: environment.ALARM_QUEUE_URL,
  exportQueueUrl: environment.EXPORT_QUEUE_URL,
  exports: new Objects(environment.EXPORTS_BUCKET),
  webhookKey: sealingKey(environment.WEBHOOK_KEY_SECRET_ARN),
  accounts: () => (accounts ??= openedAccounts()),
  apiUrl: environment.API_URL.replace(/\/$/, ''),
  realtimeUrl: environment.REALTIME_URL,
  hotRetentionDays: environment.HOT_RETENTION_DAYS,
  historyRetentionDays: environment.HISTORY_RETENTION_DAYS,
  rateLimits: RATE_LIMITS,
  iotCaPem: environment.IOT_CA_PEM,
}

export const handler = frame((event: APIGatewayProxyEventV2) => answerRequest(services, event))

/** A failure is not kept: the secret may be there a moment later. */
async function openedAccounts(): Promise<Accounts> {
  try {
    const { openAccounts } = await import('../runtime/accounts.ts')
    return await openAccounts(environment)
  } catch (error) {
    accounts = undefined
    throw error
  }
}
