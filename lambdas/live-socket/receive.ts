import * as v from 'valibot'
import { LiveClientMessage } from '../../schemas/live.ts'
import { closeConnection } from '../data/close-connections.ts'
import { readConnection, refreshConnection, removeConnection, unwatchPlant } from '../data/live-connections.ts'
import { takeTokens } from '../data/rate-buckets.ts'
import { logger } from '../runtime/frame.ts'
import { postMessage } from './post.ts'
import type { Services } from './services.ts'
import { subscribe } from './subscribe.ts'

/** A page subscribes to the plants that it shows, and pings twice a minute at most. */
const MESSAGES = { perSecond: 5, burst: 100 }

const Text = v.pipe(v.string(), v.parseJson(), LiveClientMessage)

/** One message of a browser. What goes wrong is said on the socket: an error answer of the function would not be seen there. */
export async function receive(services: Services, connectionId: string, text: string | undefined): Promise<void> {
  if (!(await isWithinRate(services, connectionId))) return hangUp(services, connectionId)
  const parsed = v.safeParse(Text, text)
  if (!parsed.success) return postMessage(services, connectionId, { type: 'error', code: 'invalid_message' })
  const message = parsed.output
  try {
    await handle(services, connectionId, message)
  } catch (error) {
    logger.error('Failed', { type: message.type, error })
    const plant = 'plant' in message ? { plant: message.plant } : {}
    await postMessage(services, connectionId, { type: 'error', code: 'internal', ...plant })
  }
}

/** The socket's throttle is one for all connections of all tenants: a single one must not use it up. */
async function isWithinRate({ redis }: Services, connectionId: string): Promise<boolean> {
  return (await takeTokens(redis, [{ key: `rate:connection:${connectionId}`, ...MESSAGES }])) === 0
}

async function hangUp(services: Services, connectionId: string): Promise<void> {
  logger.warn('Closed: more messages than a page sends')
  await postMessage(services, connectionId, { type: 'error', code: 'too_many_messages' })
  await services.redis.use((client) => removeConnection(client, connectionId))
  await closeConnection(services.sockets, connectionId)
}

async function handle(services: Services, connectionId: string, message: LiveClientMessage): Promise<void> {
  const { redis } = services
  if (message.type === 'ping') {
    const versions = await redis.use((client) => refreshConnection(client, connectionId))
    return postMessage(
      services,
      connectionId,
      versions ? { type: 'pong', versions } : { type: 'error', code: 'not_connected' },
    )
  }
  const connection = await redis.use((client) => readConnection(client, connectionId))
  if (connection === undefined) {
    return postMessage(services, connectionId, { type: 'error', code: 'not_connected', plant: message.plant })
  }
  logger.appendKeys({ tenant: connection.tenant, userId: connection.userId, plantId: message.plant })
  if (message.type === 'subscribe') return subscribe(services, connection, message.plant)
  await redis.use((client) => unwatchPlant(client, connection, message.plant))
}
