import type { Kysely } from 'kysely'
import type { Units } from '../../schemas/telemetry.ts'
import type { Database } from '../data/database.ts'
import { noteUnitsOfMachines } from '../data/note-units.ts'
import { logger } from '../runtime/frame.ts'
import type { StoreResult } from './store-readings.ts'

/**
 * A reading this much older than the newest of its machine comes from a gateway's backlog. Units may have been changed
 * since, and the present ones are told once a minute.
 */
const BACKLOG_FROM_MS = 60_000

/** Notes the units that new readings tell and the register does not know. Best effort: they are told again. */
export async function noteUnits(
  db: Kysely<Database>,
  { fresh, states }: Pick<StoreResult, 'fresh' | 'states'>,
): Promise<void> {
  const news = new Map<string, Units>()
  const telling = fresh.filter(({ units }) => units !== undefined)
  for (const { machineId, known, units, timestamp } of telling.sort((a, b) => a.timestamp - b.timestamp)) {
    const newest = states.get(machineId)?.state.timestamp ?? Infinity
    if (timestamp < newest - BACKLOG_FROM_MS) continue
    const isNews = Object.entries(units!).some(([tag, unit]) => known.about.units[tag] !== unit)
    if (isNews) news.set(machineId, { ...news.get(machineId), ...units })
  }
  if (news.size === 0) return
  try {
    const changed = await noteUnitsOfMachines(db, news)
    for (const { machineId, known } of telling) {
      const all = changed.get(machineId)
      if (all !== undefined) known.about = { ...known.about, units: all }
    }
  } catch (error) {
    logger.warn('Units could not be noted', error as Error)
  }
}
