/**
 * The browser's live socket.
 *
 *   $connect     ticket -> connection in Redis            refused with 403 when the ticket does not work
 *   $default     subscribe -> snapshot, then the fan-out posts deltas until unsubscribe; ping -> pong
 *   $disconnect  connection and its watching are removed  best effort: else they expire
 *
 * API Gateway closes a socket after 10 min without a message and after 2 h in any case. The browser pings, comes back
 * with a new ticket, and subscribes again; nothing here survives a connection.
 */
import { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi'
import type { APIGatewayProxyWebsocketEventV2 } from 'aws-lambda'
import type { Database } from '../data/database.ts'
import { removeConnection } from '../data/live-connections.ts'
import { postgresEnvironment, readEnvironment, redisEnvironment } from '../runtime/environment.ts'
import { frame, logger } from '../runtime/frame.ts'
import { openPostgres } from '../runtime/postgres.ts'
import { openRedis } from '../runtime/redis.ts'
import { connect } from './connect.ts'
import { receive } from './receive.ts'

const environment = readEnvironment({ ...postgresEnvironment, ...redisEnvironment })
const services = {
  db: openPostgres<Database>(environment).db,
  redis: openRedis(environment),
  // Its endpoint comes from AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI.
  sockets: new ApiGatewayManagementApiClient(),
}

export const handler = frame(async (event: APIGatewayProxyWebsocketEventV2) => {
  const { routeKey, connectionId, requestId } = event.requestContext
  logger.appendKeys({ requestId, connectionId, routeKey })
  switch (routeKey) {
    case '$connect': {
      const accepted = await connect(services, connectionId, event.queryStringParameters?.['ticket'])
      logger.info(accepted ? 'Connected' : 'Refused')
      return { statusCode: accepted ? 200 : 403 }
    }
    case '$disconnect':
      await services.redis.use((client) => removeConnection(client, connectionId))
      return { statusCode: 200 }
    default:
      await receive(services, connectionId, event.body)
      return { statusCode: 200 }
  }
})
