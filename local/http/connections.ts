/** Open WebSocket connections of an API, and the `@connections` operations on them. */
import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { WebSocket } from 'ws'

/** https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html */
const MAX_MESSAGE_BYTES = 128 * 1024
const IDLE_MS = 10 * 60_000
const LONGEST_MS = 2 * 60 * 60_000
/** RFC 6455, 7.4.1: going away. */
const GOING_AWAY = 1001

interface Connection {
  socket: WebSocket
  sourceIp: string
  userAgent: string
  connectedAt: number
  lastActiveAt: number
  idle: NodeJS.Timeout
  longest: NodeJS.Timeout
}

export class Connections {
  readonly #open = new Map<string, Connection>()

  /** As AWS makes it: base64 of some bytes. */
  static newId(): string {
    return randomBytes(11).toString('base64url') + '='
  }

  /** Only now can it be posted to: not while `$connect` is still running. */
  add(id: string, socket: WebSocket, client: { sourceIp: string; userAgent: string }): void {
    const end = () => socket.close(GOING_AWAY)
    const now = Date.now()
    const timers = { idle: setTimeout(end, IDLE_MS), longest: setTimeout(end, LONGEST_MS) }
    this.#open.set(id, { socket, ...client, connectedAt: now, lastActiveAt: now, ...timers })
    socket.on('close', () => {
      clearTimeout(timers.idle)
      clearTimeout(timers.longest)
      this.#open.delete(id)
    })
  }

  touch(id: string): void {
    const connection = this.#open.get(id)
    if (!connection) return
    connection.lastActiveAt = Date.now()
    connection.idle.refresh()
  }

  closeAll(): void {
    for (const { socket } of this.#open.values()) socket.close(GOING_AWAY)
  }

  /** `/{stage}/@connections/{id}` and, as some clients write it, without the stage. */
  serve(app: FastifyInstance): void {
    for (const url of ['/@connections/:id', '/:stage/@connections/:id']) {
      app.route<{ Params: { id: string } }>({
        method: ['GET', 'POST', 'DELETE'],
        url,
        handler: async (request, reply) => {
          const connection = this.#open.get(decodeURIComponent(request.params.id))
          if (!connection) return reply.code(410).header('x-amzn-errortype', 'GoneException').send({ message: 'Gone' })
          if (request.method === 'POST') {
            const body = request.body as Buffer
            if (body.length > MAX_MESSAGE_BYTES) {
              return reply
                .code(413)
                .header('x-amzn-errortype', 'PayloadTooLargeException')
                .send({ message: 'Payload too large' })
            }
            connection.socket.send(body.toString())
            this.touch(request.params.id)
            return reply.code(200).send()
          }
          if (request.method === 'DELETE') {
            connection.socket.close(GOING_AWAY)
            return reply.code(204).send()
          }
          const { connectedAt, lastActiveAt, sourceIp, userAgent } = connection
          return {
            connectedAt: new Date(connectedAt).toISOString(),
            lastActiveAt: new Date(lastActiveAt).toISOString(),
            identity: { sourceIp, userAgent },
          }
        },
      })
    }
  }
}
