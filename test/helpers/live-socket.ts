/** The live socket's function as API Gateway calls it, beside the HTTP API of the test file. */
import { randomUUID } from 'node:crypto'
import { ApiGatewayManagementApiClient, PostToConnectionCommand } from '@aws-sdk/client-apigatewaymanagementapi'
import { mockClient } from 'aws-sdk-client-mock'
import * as v from 'valibot'
import { inject } from 'vitest'
import { connect } from '../../lambdas/live-socket/connect.ts'
import { receive } from '../../lambdas/live-socket/receive.ts'
import { openRedis } from '../../lambdas/runtime/redis.ts'
import { LiveServerMessage } from '../../schemas/live.ts'
import type { HttpApi } from './http-api.ts'

export interface LiveSocket {
  /** Opens a socket by the ticket, or not. */
  connect(ticket: string | undefined): Promise<{ connectionId: string; accepted: boolean }>
  /** Frames that come as the answer to a text of the browser. */
  send(connectionId: string, text: string): Promise<string[]>
  /** Connects and sends one message; tells in a word what comes of it. `look` sees each frame. */
  converse(ticket: string | undefined, message: object, look?: (frame: string) => void): Promise<string>
  close: () => void
}

export function startLiveSocket(api: HttpApi): LiveSocket {
  const frames = new Map<string, string[]>()
  const sockets = new ApiGatewayManagementApiClient({ region: 'us-east-1', endpoint: 'http://127.0.0.1:1' })
  mockClient(sockets)
    .on(PostToConnectionCommand)
    .callsFake(({ ConnectionId, Data }: { ConnectionId: string; Data: Buffer }) => {
      frames.get(ConnectionId)?.push(Data.toString())
      return {}
    })
  const redis = openRedis({ REDIS_URL: inject('redisUrl') })
  const services = { ...api.services, redis, sockets }

  const open = async (ticket: string | undefined) => {
    const connectionId = randomUUID()
    return { connectionId, accepted: await connect(services, connectionId, ticket) }
  }
  const send = async (connectionId: string, text: string) => {
    frames.set(connectionId, [])
    await receive(services, connectionId, text)
    return frames.get(connectionId)!
  }
  return {
    connect: open,
    send,
    async converse(ticket, message, look = () => undefined) {
      const { connectionId, accepted } = await open(ticket)
      if (!accepted) return 'refused'
      const answers = await send(connectionId, JSON.stringify(message))
      answers.forEach(look)
      const [first] = answers.map((frame) => v.parse(LiveServerMessage, JSON.parse(frame)))
      if (first === undefined) return 'nothing'
      return first.type === 'error' ? first.code : first.type
    },
    close: () => redis.close(),
  }
}
