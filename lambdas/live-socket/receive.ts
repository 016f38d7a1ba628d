import * as v from 'valibot'
import { LiveClientMessage } from '../../schemas/live.ts'
import { readConnection, refreshConnection, unwatchPlant } from '../data/live-connections.ts'
import { logger } from '../runtime/frame.ts'
import { postMessage } from './post.ts'
import type { Services } from './services.ts'
import { subscribe } from './subscribe.ts'

const Text = v.pipe(v.string(), v.parseJson(), LiveClientMessage)

/** One message of a browser. What goes wrong is said on the socket: an error answer of the function would not be seen there. */
export async function receive(services: Services, connectionId: string, text: string | undefined): Promise<void> {
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
