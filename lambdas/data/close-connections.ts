import {
  type ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GoneException,
} from '@aws-sdk/client-apigatewaymanagementapi'
import { logger } from '../runtime/frame.ts'
import { type Redis, RedisUnavailable } from '../runtime/redis.ts'
import { runBounded } from '../runtime/run-bounded.ts'
import { takeConnections } from './live-connections.ts'

const AT_ONCE = 20

/**
 * Closes the live sockets of a user. They are forgotten first, so that nothing is posted to them any more even where
 * closing fails, which is logged: such a socket gets nothing, and ends by itself within two hours.
 */
export async function closeConnections(
  { redis, sockets }: { redis: Redis; sockets: ApiGatewayManagementApiClient },
  userId: string,
): Promise<void> {
  const connectionIds = await taken(redis, userId)
  await runBounded(connectionIds, AT_ONCE, async (connectionId) => {
    try {
      await closeConnection(sockets, connectionId)
    } catch (error) {
      logger.error('A live socket could not be closed', { connectionId, userId, error: error as Error })
    }
  })
}

/** One that is gone already is as good as closed. */
export async function closeConnection(sockets: ApiGatewayManagementApiClient, connectionId: string): Promise<void> {
  try {
    await sockets.send(new DeleteConnectionCommand({ ConnectionId: connectionId }))
  } catch (error) {
    if (!(error instanceof GoneException)) throw error
  }
}

async function taken(redis: Redis, userId: string): Promise<string[]> {
  try {
    return await redis.use((client) => takeConnections(client, userId))
  } catch (error) {
    if (!(error instanceof RedisUnavailable)) throw error
    // Without Redis nothing is posted to anybody either.
    logger.error('Redis is away: the live sockets of a user stay open until they subscribe again', { userId, error })
    return []
  }
}
