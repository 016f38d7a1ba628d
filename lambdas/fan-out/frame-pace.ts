import { setTimeout as wait } from 'node:timers/promises'
import { frameAtKey, type PlantName, watchersKey } from '../data/live-cache.ts'
import type { Redis } from '../runtime/redis.ts'

/** A plant has at most ten frames a second, at least two if that many changes come, and between them about 200 posts. */
const SHORTEST_MS = 100
const LONGEST_MS = 500
const MS_PER_WATCHER = 5

/**
 * Waits until the plant may have its next frame: the first change is told at once, and what changes soon after it goes
 * into one frame together. API Gateway charges by the message, and a browser draws no oftener than it is worth.
 */
export async function awaitFrame(redis: Redis, plant: PlantName): Promise<void> {
  const now = Date.now()
  const [lastFrameAt, watchers] = await redis.use((client) =>
    Promise.all([client.get(frameAtKey(plant)), client.zCount(watchersKey(plant), now, '+inf')]),
  )
  const everyMs = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, watchers * MS_PER_WATCHER))
  const waitMs = Number(lastFrameAt ?? 0) + everyMs - now
  if (waitMs > 0) await wait(Math.min(waitMs, everyMs))
}
