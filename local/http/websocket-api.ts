/** An API Gateway WebSocket API: every connection and message becomes an event of the function behind its route. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import * as v from 'valibot'
import { type WebSocket, WebSocketServer } from 'ws'
import { apiHost } from '../assembly/physical-values.ts'
import type { ApiSettings } from '../assembly/read-apis.ts'
import type { LambdaFunction } from '../lambda/function.ts'
import { Connections } from './connections.ts'

/** A message of a browser is one frame, and a frame has at most 32 KB. */
const MAX_FRAME_BYTES = 32 * 1024

type RouteKey = '$connect' | '$disconnect' | '$default'
const EVENT_TYPES = { $connect: 'CONNECT', $disconnect: 'DISCONNECT', $default: 'MESSAGE' } as const
const ConnectResult = v.object({ statusCode: v.number() })

/** Serves WebSockets on any path of the server, and `@connections`. Call before it listens. */
export function serveWebSocketApi(
  app: FastifyInstance,
  api: ApiSettings,
  functionNamed: (name: string) => LambdaFunction,
): { close(): void } {
  const connections = new Connections()
  connections.serve(app)
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES })
  const targets = new Map(api.routes.map((route) => [route.key, functionNamed(route.functionName)]))
  const unknown = [...targets.keys()].filter((key) => !(key in EVENT_TYPES))
  if (unknown.length > 0) throw new Error(`local/ does not know the WebSocket route ${unknown.join(', ')}`)

  const invoke = (
    routeKey: RouteKey,
    connection: { id: string; connectedAt: number; request: IncomingMessage },
    body?: string,
  ) => targets.get(routeKey)?.invoke(eventOf(api, routeKey, connection, body))

  const upgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const connection = { id: Connections.newId(), connectedAt: Date.now(), request }
    const result = await invoke('$connect', connection)
    const status = result?.functionError
      ? 500
      : (v.safeParse(ConnectResult, result?.payload).output as { statusCode?: number } | undefined)?.statusCode
    if (result && (status === undefined || status >= 300))
      return socket.end(`HTTP/1.1 ${status ?? 500} Refused\r\nconnection: close\r\n\r\n`)
    if (socket.destroyed) return void invoke('$disconnect', connection)
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const client = { sourceIp: request.socket.remoteAddress ?? '', userAgent: request.headers['user-agent'] ?? '' }
      connections.add(connection.id, webSocket, client)
      webSocket.on('message', (data: Buffer) => void receive(webSocket, connection, data))
      webSocket.on('close', () => void invoke('$disconnect', connection))
      webSocket.on('error', () => webSocket.terminate()) // a frame that is too long or broken: ws has closed it
    })
  }

  const receive = async (webSocket: WebSocket, connection: Parameters<typeof invoke>[1], data: Buffer) => {
    connections.touch(connection.id)
    const result = await invoke('$default', connection, data.toString())
    if (!result?.functionError) return
    webSocket.send(
      JSON.stringify({ message: 'Internal server error', connectionId: connection.id, requestId: randomUUID() }),
    )
  }

  app.server.on('upgrade', (request, socket, head) => void upgrade(request, socket, head))
  return {
    close() {
      connections.closeAll()
      sockets.close()
    },
  }
}

function eventOf(
  api: ApiSettings,
  routeKey: RouteKey,
  { id, connectedAt, request }: { id: string; connectedAt: number; request: IncomingMessage },
  body: string | undefined,
) {
  const query = new URL(request.url ?? '/', 'ws://local').searchParams
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, [value].flat().join(',')]),
  )
  const now = new Date()
  return {
    ...(routeKey === '$connect' && {
      headers,
      multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
      ...(query.size > 0 && {
        queryStringParameters: Object.fromEntries(query),
        multiValueQueryStringParameters: Object.fromEntries(
          [...query.keys()].map((name) => [name, query.getAll(name)]),
        ),
      }),
    }),
    requestContext: {
      routeKey,
      eventType: EVENT_TYPES[routeKey],
      messageDirection: 'IN',
      ...(routeKey === '$default' && { messageId: randomUUID() }),
      extendedRequestId: randomUUID(),
      requestId: randomUUID(),
      requestTime: now.toUTCString(),
      requestTimeEpoch: now.getTime(),
      connectedAt,
      connectionId: id,
      identity: { sourceIp: request.socket.remoteAddress ?? '', userAgent: request.headers['user-agent'] ?? '' },
      stage: api.stage,
      domainName: apiHost(api.apiId),
      apiId: api.apiId,
    },
    ...(body !== undefined && { body }),
    isBase64Encoded: false,
  }
}
