/** Commands of the platform team (`npm run admin`). Invoked with AWS credentials only; no API leads here. */
import { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi'
import { IoTClient } from '@aws-sdk/client-iot'
import { IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane'
import type { Context } from 'aws-lambda'
import * as v from 'valibot'
import { type AdminAnswer, AdminCommand } from '../../schemas/admin.ts'
import type { Database } from '../data/database.ts'
import { type Accounts, openAccounts } from '../runtime/accounts.ts'
import { accountsEnvironment, postgresEnvironment, readEnvironment, redisEnvironment } from '../runtime/environment.ts'
import { frame, logger } from '../runtime/frame.ts'
import { Objects } from '../runtime/objects.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { mqttEndpoint } from '../gateways/endpoint.ts'
import { openRedis } from '../runtime/redis.ts'
import { runCommand } from './run-command.ts'
import type { Services } from './services.ts'

const environment = readEnvironment({
  ...postgresEnvironment,
  ...redisEnvironment,
  ...accountsEnvironment,
  ARCHIVE_BUCKET: v.string(),
  EXPORTS_BUCKET: v.string(),
  AWS_ENDPOINT_URL_IOT_DATA_PLANE: v.optional(v.string()),
})

let accounts: Accounts | undefined
// A tenant with many gateways takes more calls than AWS IoT allows in a second: those that it refuses are repeated.
const iot = new IoTClient({ maxAttempts: 10 })

const services: Services = {
  db: openPostgres<Database>(environment).db,
  redis: openRedis(environment),
  archive: new Objects(environment.ARCHIVE_BUCKET),
  exports: new Objects(environment.EXPORTS_BUCKET),
  iot,
  iotData: new IoTDataPlaneClient({
    // The account's own address, which is not the same everywhere; an address in the environment goes before it.
    ...(environment.AWS_ENDPOINT_URL_IOT_DATA_PLANE === undefined && {
      endpoint: async () => ({ protocol: 'https:', hostname: await mqttEndpoint(iot), path: '/' }),
    }),
  }),
  // Its endpoint comes from AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI.
  sockets: new ApiGatewayManagementApiClient(),
  accounts: async () => (accounts ??= await openAccounts(environment)),
}

export const handler = frame(async (event: unknown, context: Context): Promise<AdminAnswer> => {
  const command = v.safeParse(AdminCommand, event)
  if (!command.success) {
    const wrong = command.issues.map((issue) => `${v.getDotPath(issue) ?? 'command'}: ${issue.message}`)
    return { status: 'refused', message: wrong.join('; ') }
  }
  const answer = await runCommand(services, command.output, context.awsRequestId)
  logger.info('Done', { command: command.output.command, status: answer.status, answer: answer.message })
  return answer
})
