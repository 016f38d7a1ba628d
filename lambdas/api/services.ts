import type { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi'
import type { IoTClient } from '@aws-sdk/client-iot'
import type { IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane'
import type { SQSClient } from '@aws-sdk/client-sqs'
import type { Kysely } from 'kysely'
import type { Database } from '../data/database.ts'
import type { Accounts } from '../runtime/accounts.ts'
import type { Resolve } from '../runtime/public-address.ts'
import type { Objects } from '../runtime/objects.ts'
import type { Redis } from '../runtime/redis.ts'
import type { RateLimits } from './rate-limit.ts'

/** What the routes work with, passed in. */
export interface Services {
  db: Kysely<Database>
  redis: Redis
  iot: IoTClient
  iotData: IoTDataPlaneClient
  /** Marks our Things in AWS IoT. */
  stage: string
  /** Live sockets of browsers. */
  sockets: ApiGatewayManagementApiClient
  /** Opened by the routes that need it only. */
  accounts: () => Promise<Accounts>
  /** For work to the fan-out, to the deliveries of alarms, and to the worker of exports. */
  sqs: SQSClient
  fanOutQueueUrl: string
  alarmQueueUrl: string
  exportQueueUrl: string
  /** Files of exports. */
  exports: Objects
  /** Seals the secrets of webhooks. */
  webhookKey: () => Promise<Buffer>
  /** Of hosts that people name. */
  resolve?: Resolve
  /** Public base of this API, without a slash at its end: gateways are told to enrol there. */
  apiUrl: string
  /** Where browsers open the live socket. */
  realtimeUrl: string
  hotRetentionDays: number
  /** Of minutes and hours. */
  historyRetentionDays: number
  rateLimits: RateLimits
  /** Signs the MQTT endpoint's server certificate. */
  iotCaPem: string
}
