import type { IoTClient } from '@aws-sdk/client-iot'
import type { Kysely } from 'kysely'
import type { Database } from '../data/database.ts'
import type { Redis } from '../runtime/redis.ts'
import type { RateLimits } from './rate-limit.ts'

/** What the routes work with, passed in. */
export interface Services {
  db: Kysely<Database>
  redis: Redis
  iot: IoTClient
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
