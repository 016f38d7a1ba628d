import type { SQSClient } from '@aws-sdk/client-sqs'
import type { Kysely } from 'kysely'
import type { TelemetryEvent } from '../../schemas/queues.ts'
import { currentMachines } from '../data/current-machines.ts'
import type { Database } from '../data/database.ts'
import { isWatched, publish, stateKey, writeNewer } from '../data/live-cache.ts'
import { requestFanOut } from '../data/request-fan-out.ts'
import { logger, metrics } from '../runtime/frame.ts'
import type { Redis } from '../runtime/redis.ts'
import type { AddressedReading } from './address-readings.ts'

interface Realtime {
  db: Kysely<Database>
  redis: Redis
  sqs: SQSClient
  fanOutQueueUrl: string
}

/**
 * Tells the living what is stored: events, current state, and work for the fan-out where somebody watches. After the
 * commit, so that nobody hears of what may yet be lost. The state is read back and not taken from the batch: it is then
 * right for late data too, and after a commit whose answer was lost. Never fails: the readings are stored, and a
 * realtime side that is away is only counted.
 */
export async function announce(realtime: Realtime, readings: AddressedReading[]): Promise<void> {
  if (readings.length === 0) return
  try {
    const plants = await plantsWithStates(realtime.db, readings)
    const watched = await realtime.redis.use(async (client) => {
      const seen = await Promise.all(plants.map((plant) => isWatched(client, plant)))
      await Promise.all(plants.map((plant) => writeNewer(client, stateKey(plant), plant.states)))
      await Promise.all(readings.map((reading) => publish(client, eventOf(reading))))
      return plants.filter((_, index) => seen[index])
    })
    const items = watched.map(({ tenant, plant, states }) => ({
      tenant,
      plant,
      machines: states.map((state) => state.field),
      gateways: [],
    }))
    await requestFanOut(realtime.sqs, realtime.fanOutQueueUrl, items)
  } catch (error) {
    metrics.addMetric('RealtimeUnavailable', 'Count', 1)
    logger.warn('Stored, but not announced', error as Error)
  }
}

async function plantsWithStates(db: Kysely<Database>, readings: AddressedReading[]) {
  const machines = Map.groupBy(await currentMachines(db, readings), (machine) => machine.plantId)
  const plants = Map.groupBy(readings, (reading) => reading.plantId)
  return [...plants].map(([plantId, [first]]) => ({
    tenant: first!.tenant,
    plant: first!.plant,
    states: (machines.get(plantId) ?? []).map((machine) => ({
      field: machine.slug,
      revision: machine.revision,
      json: JSON.stringify(machine),
    })),
  }))
}

function eventOf(reading: AddressedReading): TelemetryEvent {
  const { tenant, province, plant, machine, timestamp, seq, receivedAt, traceId, values, quality } = reading
  return {
    ...{ type: 'telemetry', tenant, province, plant, machine, timestamp, seq, receivedAt, traceId, values },
    ...(quality && { quality }),
  }
}
