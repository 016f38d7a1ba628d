import { type PlantName, tellOfNewEdition } from '../data/live-cache.ts'
import { logger } from '../runtime/frame.ts'
import { RedisUnavailable } from '../runtime/redis.ts'
import type { Services } from './services.ts'

/** After a change to machines of these plants. Without Redis the consumers see it within a minute. */
export async function tellConsumers({ redis }: Services, plants: PlantName[]): Promise<void> {
  try {
    await redis.use((client) => Promise.all(plants.map((plant) => tellOfNewEdition(client, plant))))
  } catch (error) {
    if (!(error instanceof RedisUnavailable)) throw error
    logger.warn('Consumers will see the change of machines within a minute only', { reason: error.message })
  }
}
