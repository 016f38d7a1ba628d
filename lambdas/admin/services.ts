import type { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi'
import type { IoTClient } from '@aws-sdk/client-iot'
import type { IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane'
import type { Kysely } from 'kysely'
import type { AdminAnswer, AdminCommand } from '../../schemas/admin.ts'
import type { Database } from '../data/database.ts'
import type { Accounts } from '../runtime/accounts.ts'
import type { Objects } from '../runtime/objects.ts'
import type { Redis } from '../runtime/redis.ts'

export type Command<Name extends AdminCommand['command']> = Extract<AdminCommand, { command: Name }>

export interface Services {
  db: Kysely<Database>
  redis: Redis
  iot: IoTClient
  iotData: IoTDataPlaneClient
  sockets: ApiGatewayManagementApiClient
  archive: Objects
  exports: Objects
  /** Opened by the commands that need it only. */
  accounts: () => Promise<Accounts>
}

export const refused = (message: string): AdminAnswer => ({ status: 'refused', message })

export const noTenant = (slug: string): AdminAnswer => refused(`there is no tenant ${slug}`)
