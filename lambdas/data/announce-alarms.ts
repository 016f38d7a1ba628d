import { logger, metrics } from '../runtime/frame.ts'
import type { Realtime } from './announce-gateways.ts'
import type { ChangedAlarm } from './alarms.ts'
import { cachedEntry, tellPlant } from './live-cache.ts'
import { requestFanOut } from './request-fan-out.ts'

/** After the commit: tells of changed alarms where somebody looks. Never fails: Postgres is the truth. */
export async function announceAlarms(realtime: Realtime, changes: ChangedAlarm[]): Promise<void> {
  if (changes.length === 0) return
  try {
    const plants = [...Map.groupBy(changes, ({ tenant, plant }) => `${tenant}/${plant}`).values()]
    const due = await realtime.redis.use(async (client) => {
      const told = await Promise.all(
        plants.map((ofPlant) => {
          const entries = ofPlant.map(({ alarm, revision }) => cachedEntry(alarm.alarmId, alarm, revision))
          return tellPlant(client, ofPlant[0]!, 'alarms', entries, () => [])
        }),
      )
      return plants.filter((_, index) => told[index]!.isDue).map(([first]) => first!)
    })
    await requestFanOut(realtime.sqs, realtime.fanOutQueueUrl, due)
  } catch (error) {
    metrics.addMetric('RealtimeUnavailable', 'Count', 1)
    logger.warn('Stored, but not announced', error as Error)
  }
}
