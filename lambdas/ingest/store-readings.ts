import type { SQSRecord } from 'aws-lambda'
import type { MachineState } from '../../schemas/live.ts'
import { isDataError, isMissingPartition, isTransient } from '../data/postgres-errors.ts'
import { NOTHING_WRITTEN, type WrittenAlarms } from '../data/write-alarm-changes.ts'
import { logger, metrics } from '../runtime/frame.ts'
import { type DeadLetter, Refusal } from '../runtime/refusals.ts'
import { type AddressedReading, tooOld } from './address-readings.ts'
import { type AlarmedStore, storeWithAlarms, type StoredWithAlarms } from './store-with-alarms.ts'
import { tracesOf } from './traces.ts'

export interface StoreResult {
  fresh: AddressedReading[]
  duplicates: AddressedReading[]
  refused: DeadLetter[]
  /** Not known to be stored: to come back. */
  unstored: SQSRecord[]
  /** Duplicates that nobody may have heard of: what an earlier attempt has stored without living to announce it. */
  unheard: AddressedReading[]
  /** States that the batch has changed, by machine id. */
  states: Map<string, { state: MachineState; revision: number }>
  /** That the batch has changed. */
  alarms: WrittenAlarms
}

interface Store extends AlarmedStore {
  /** Epoch ms, lower bound of the oldest hot day. */
  oldest: number
  createPartitions: () => Promise<unknown>
}

/**
 * Stores a batch. What goes wrong is told apart here, and only here:
 * the connection (once more on a new one, then later), a missing partition (made, once more), a message that Postgres
 * cannot hold (the batch is halved until it stands alone), anything else (later, and logged as our error).
 */
export async function storeReadings(store: Store, readings: AddressedReading[], attempt = 1): Promise<StoreResult> {
  if (readings.length === 0) return emptyResult()
  try {
    return sortByOutcome(readings, await storeWithAlarms(store, readings, store.oldest), attempt > 1)
  } catch (error) {
    if (isDataError(error)) return halve(store, readings, attempt, error as Error)
    if (isMissingPartition(error)) metrics.addMetric('PartitionMissing', 'Count', 1)
    const again = isMissingPartition(error) || isTransient(error)
    if (again && attempt === 1 && (await prepared(store, error))) return storeReadings(store, readings, attempt + 1)
    const details = { reason: (error as Error).message, messages: readings.length, traces: tracesOf(readings) }
    if (isTransient(error)) logger.warn('Postgres is away; the batch comes back', details)
    else logger.error('The batch cannot be stored; it comes back', { ...details, error: error as Error })
    return { ...emptyResult(), unstored: readings.map((reading) => reading.record) }
  }
}

async function prepared(store: Store, error: unknown): Promise<boolean> {
  if (!isMissingPartition(error)) return true
  try {
    await store.createPartitions()
    return true
  } catch (failure) {
    logger.error('Partitions could not be made', failure as Error)
    return false
  }
}

/** Each half is a transaction of its own, so neighbours of the message at fault are stored. Those that no alarm needs may be already. */
async function halve(store: Store, readings: AddressedReading[], attempt: number, error: Error): Promise<StoreResult> {
  if (readings.length === 1) {
    const refusal = new Refusal('invalid_payload', `Postgres cannot hold it: ${error.message}`)
    return { ...emptyResult(), refused: [{ record: readings[0]!.record, refusal }] }
  }
  const middle = Math.ceil(readings.length / 2)
  const first = await storeReadings(store, readings.slice(0, middle), attempt + 1)
  const second = await storeReadings(store, readings.slice(middle), attempt + 1)
  return {
    fresh: [...first.fresh, ...second.fresh],
    duplicates: [...first.duplicates, ...second.duplicates],
    refused: [...first.refused, ...second.refused],
    unstored: [...first.unstored, ...second.unstored],
    unheard: [...first.unheard, ...second.unheard],
    states: new Map([...first.states, ...second.states]),
    alarms: {
      alarmIds: [...first.alarms.alarmIds, ...second.alarms.alarmIds],
      outboxIds: [...first.alarms.outboxIds, ...second.alarms.outboxIds],
    },
  }
}

function sortByOutcome(readings: AddressedReading[], stored: StoredWithAlarms, sentTwice: boolean): StoreResult {
  const result = { ...emptyResult(), states: stored.states, alarms: stored.alarms }
  for (const [index, reading] of readings.entries()) {
    const outcome = stored.outcomes[index]!
    if (outcome === 'new') result.fresh.push(reading)
    else if (outcome === 'duplicate') {
      result.duplicates.push(reading)
      const cameBefore = Number(reading.record.attributes.ApproximateReceiveCount) > 1
      if (sentTwice || cameBefore) result.unheard.push(reading)
    } else result.refused.push({ record: reading.record, refusal: refusalOf(outcome, reading) })
  }
  return result
}

function refusalOf(
  outcome: 'seq_conflict' | 'timestamp_too_old',
  { seq, machine, timestamp }: AddressedReading,
): Refusal {
  if (outcome === 'timestamp_too_old') return tooOld(timestamp)
  return new Refusal('seq_conflict', `seq ${seq} of ${machine} was received before with another content`)
}

const emptyResult = (): StoreResult => ({
  ...{ fresh: [], duplicates: [], refused: [], unstored: [], unheard: [] },
  states: new Map(),
  alarms: NOTHING_WRITTEN,
})
