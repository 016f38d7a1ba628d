import type { SQSRecord } from 'aws-lambda'
import type { KnownMachine, MachineRegister } from '../data/machine-register.ts'
import type { Place, Places } from '../data/places.ts'
import { isTransient } from '../data/postgres-errors.ts'
import { logger } from '../runtime/frame.ts'
import { type DeadLetter, judgeEach, Refusal } from '../runtime/refusals.ts'
import type { Reading } from './read-telemetry.ts'
import { tracesOf } from './traces.ts'

interface PlacedReading extends Reading, Place {
  /** Of the machine. */
  slug: string
}

/** A reading whose names are resolved to ids. */
export interface AddressedReading extends PlacedReading {
  machineId: string
  /** What the register remembers of the machine: shared by its readings, and kept up to date by the notes after the store. */
  known: KnownMachine
}

interface Names {
  places: Places
  machines: MachineRegister
}

/**
 * Resolves the names of all readings. When the database cannot be asked, all come back as `unaddressed`, except those
 * that were refused before.
 */
export async function addressReadings(
  { places, machines }: Names,
  readings: Reading[],
  oldest: number,
  refused: DeadLetter[],
): Promise<{ addressed: AddressedReading[]; unaddressed: SQSRecord[] }> {
  const refusals: DeadLetter[] = []
  try {
    await places.load(readings)
    const placed = judgeEach(readings, refusals, (reading) => {
      const { tenantId, plantId, gatewayId } = places.of(reading)
      return { ...reading, slug: reading.machine, tenantId, plantId, gatewayId }
    })
    const addressed = await findOrCreateMachines(machines, placed, oldest, refusals)
    refused.push(...refusals)
    return { addressed, unaddressed: [] }
  } catch (error) {
    const log = isTransient(error) ? logger.warn.bind(logger) : logger.error.bind(logger)
    log('Names cannot be looked up; the batch comes back', { error: error as Error, traces: tracesOf(readings) })
    return { addressed: [], unaddressed: readings.map((reading) => reading.record) }
  }
}

/**
 * Finds the machines, and makes those that are new. A reading that is too old makes none: only the ledger of an existing
 * machine can know it.
 */
async function findOrCreateMachines(
  machines: MachineRegister,
  readings: PlacedReading[],
  oldest: number,
  refused: DeadLetter[],
): Promise<AddressedReading[]> {
  const missing = await machines.load(readings)
  await machines.create(missing.filter((reading) => reading.timestamp >= oldest))
  return judgeEach(readings, refused, (reading) => {
    const known = machines.get(reading)
    const { plant, machine: name } = reading
    if (known?.about.status === 'retired')
      throw new Refusal('machine_retired', `The machine ${name} of ${plant} is retired`)
    if (known !== undefined) return { ...reading, machineId: known.id, known }
    if (reading.timestamp < oldest) throw tooOld(reading.timestamp)
    throw new Refusal('machine_quota_exceeded', `The plant ${plant} has no room for the machine ${name}`)
  })
}

export const tooOld = (timestamp: number) =>
  new Refusal(
    'timestamp_too_old',
    `${new Date(timestamp).toISOString()} is of a day that is no longer kept, and was never received before`,
  )
