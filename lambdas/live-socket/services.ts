import type { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi'
import type { Kysely } from 'kysely'
import type { Database } from '../data/database.ts'
import type { Redis } from '../runtime/redis.ts'

export interface Services {
  db: Kysely<Database>
  redis: Redis
  sockets: ApiGatewayManagementApiClient
}
