import type { Kysely } from 'kysely'
import type { Database } from '../data/database.ts'
import { noteGatewaysOfMachines, noteGatewaysSeen } from '../data/note-senders.ts'
import { logger } from '../runtime/frame.ts'
import type { AddressedReading } from './address-readings.ts'

/** `last_seen_at` is shown in seconds, and each heartbeat sets it too: it need not be written with every batch. */
const SEEN_EVERY_MS = 5_000
const lastNoted = new Map<string, number>()

/**
 * Notes when each gateway was last heard, and who sends for a machine when that has changed. Best effort: the readings
 * are stored, and the next batch or heartbeat says the same again.
 */
export async function noteSenders(db: Kysely<Database>, readings: AddressedReading[]): Promise<void> {
  const seen = new Map<string, number>()
  const senders = new Map<string, string>()
  const inOrder = readings.toSorted((a, b) => a.receivedAt - b.receivedAt)
  for (const reading of inOrder) {
    const { gatewayId, receivedAt, machineId, known } = reading
    if (receivedAt >= (lastNoted.get(gatewayId) ?? 0) + SEEN_EVERY_MS) seen.set(gatewayId, receivedAt)
    if (known.gatewayId !== gatewayId) senders.set(machineId, gatewayId)
  }
  try {
    if (seen.size > 0) await noteGatewaysSeen(db, seen)
    if (senders.size > 0) await noteGatewaysOfMachines(db, senders)
  } catch (error) {
    logger.warn('Senders could not be noted', error as Error)
    return
  }
  for (const [gatewayId, receivedAt] of seen) lastNoted.set(gatewayId, receivedAt)
  for (const { machineId, gatewayId, clientId, known } of inOrder) {
    if (senders.has(machineId)) Object.assign(known, { gatewayId, about: { ...known.about, thingName: clientId } })
  }
}
