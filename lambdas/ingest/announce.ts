import type { SQSClient } from '@aws-sdk/client-sqs'
import type { Kysely } from 'kysely'
import type { MachineAbout } from '../../schemas/live.ts'
import type { TelemetryEvent } from '../../schemas/queues.ts'
import { currentMachines } from '../data/current-machines.ts'
import type { Database } from '../data/database.ts'
import { cachedEntry, type CachedEntry, cachedMachine, tellPlant } from '../data/live-cache.ts'
import type { KnownMachine, MachineRegister } from '../data/machine-register.ts'
import { requestFanOut } from '../data/request-fan-out.ts'
import { valuesJsonOf } from '../data/store-telemetry.ts'
import { logger, metrics } from '../runtime/frame.ts'
import type { Redis } from '../runtime/redis.ts'
import type { AddressedReading } from './address-readings.ts'
import type { StoreResult } from './store-readings.ts'
import { tracesOf } from './traces.ts'

interface Realtime {
  db: Kysely<Database>
  machines: MachineRegister
  redis: Redis
  sqs: SQSClient
  fanOutQueueUrl: string
}

/**
 * Tells the living what is stored: events, current state, and work for the fan-out where somebody watches. After the
 * commit, so that nobody hears of what may yet be lost. Never fails: the readings are stored, and a realtime side that
 * is away is only counted.
 */
export async function announce(realtime: Realtime, stored: StoreResult): Promise<void> {
  const readings = [...stored.fresh, ...stored.unheard]
  if (readings.length === 0) return
  try {
    const [changed, untold] = await entriesByPlant(realtime, stored)
    const plants = [...Map.groupBy(readings, (reading) => reading.plantId)].map(([plantId, ofPlant]) => ({
      plantId,
      tenant: ofPlant[0]!.tenant,
      plant: ofPlant[0]!.plant,
      entries: changed.get(plantId) ?? [],
      events: () => ofPlant.map(eventOf),
    }))
    const due = await realtime.redis.use(async (client) => {
      const told = await Promise.all(
        plants.map((plant) => tellPlant(client, plant, 'machines', plant.entries, plant.events)),
      )
      for (const { known, about } of untold) known.toldAbout = about
      return plants.filter(({ plantId }, index) => {
        realtime.machines.noteEdition(plantId, told[index]!.edition)
        return told[index]!.isDue
      })
    })
    await requestFanOut(realtime.sqs, realtime.fanOutQueueUrl, due)
  } catch (error) {
    metrics.addMetric('RealtimeUnavailable', 'Count', 1)
    logger.warn('Stored, but not announced', { error: error as Error, traces: tracesOf(readings) })
  }
}

interface Untold {
  known: KnownMachine
  /** As it is told: it may change meanwhile. */
  about: MachineAbout
}

/**
 * States as the store gave them; read back only where an earlier attempt has changed them. `untold`: machines of which they tell all,
 * because this consumer has not since it has looked them up, or they have changed. So watchers hear all of a machine once a minute, and what
 * one consumer did not know, or one that ended has told last, is put right.
 */
async function entriesByPlant(
  { db }: Realtime,
  { fresh, unheard, states }: StoreResult,
): Promise<[byPlant: Map<string, CachedEntry[]>, untold: Untold[]]> {
  const untold: Untold[] = []
  const byPlant = new Map<string, CachedEntry[]>()
  const add = (plantId: string, entry: CachedEntry) => {
    const known = byPlant.get(plantId)
    if (known) known.push(entry)
    else byPlant.set(plantId, [entry])
  }
  for (const [machineId, readings] of Map.groupBy(fresh, (one) => one.machineId)) {
    const changed = states.get(machineId)
    if (changed === undefined) continue
    const { state, revision } = changed
    const { plantId, machine: slug, known } = readings[0]!
    const { about } = known
    const isTold = known.toldAbout === about
    if (!isTold) untold.push({ known, about })
    const newest = readings.find(({ seq, timestamp }) => seq === state.seq && timestamp === state.timestamp)
    const json = state.values === newest?.values ? valuesJsonOf(newest) : JSON.stringify(state.values)
    const toTell = isTold ? undefined : about
    add(plantId, cachedMachine({ machineId, slug, state }, json, newest?.traceId, revision, toTell))
  }
  if (unheard.length > 0) {
    for (const { plantId, revision, machineId, slug, state, ...about } of await currentMachines(db, unheard)) {
      add(plantId, cachedEntry(slug, { machineId, slug, state }, revision, about))
    }
  }
  return [byPlant, untold]
}

function eventOf(reading: AddressedReading): TelemetryEvent {
  const { tenant, province, plant, machine, timestamp, seq, receivedAt, traceId, values, quality } = reading
  return {
    ...{ type: 'telemetry', tenant, province, plant, machine, timestamp, seq, receivedAt, traceId, values },
    ...(quality && { quality }),
  }
}
