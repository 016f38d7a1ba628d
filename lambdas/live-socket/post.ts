import {
  type ApiGatewayManagementApiClient,
  GoneException,
  PostToConnectionCommand,
} from '@aws-sdk/client-apigatewaymanagementapi'
import type { LiveServerMessage } from '../../schemas/live.ts'
import { removeConnection } from '../data/live-connections.ts'
import type { Services } from './services.ts'

export async function postMessage(services: Services, connectionId: string, message: LiveServerMessage): Promise<void> {
  await postFrames(services, connectionId, [JSON.stringify(message)])
}

/** In order. A connection that is gone (410) is removed, which is as good as done. */
export async function postFrames({ sockets, redis }: Services, connectionId: string, frames: string[]): Promise<void> {
  try {
    for (const frame of frames) await post(sockets, connectionId, frame)
  } catch (error) {
    if (!(error instanceof GoneException)) throw error
    await redis.use((client) => removeConnection(client, connectionId))
  }
}

async function post(sockets: ApiGatewayManagementApiClient, connectionId: string, frame: string): Promise<void> {
  await sockets.send(new PostToConnectionCommand({ ConnectionId: connectionId, Data: Buffer.from(frame) }))
}
