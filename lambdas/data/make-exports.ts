/** What the worker of exports reads and writes of them, within the transaction of their tenant. */
import type { Kysely } from 'kysely'
import type { ExportFailure, ExportFormat } from '../../schemas/exports.ts'
import type { Units } from '../../schemas/telemetry.ts'
import type { Database } from './database.ts'
import { droppedBefore } from './partitions.ts'

export interface ExportToMake {
  id: string
  tenantId: string
  tenant: string
  machineId: string
  plant: string
  machine: string
  units: Units
  format: ExportFormat
  tags: string[]
  /** Epoch ms; `to` is not included. */
  from: number
  to: number
}

/**
 * Takes the export until then. `done`: it is finished, or its tenant goes. `busy`: somebody else works on it. `absent`: it is
 * not there.
 */
export async function takeExport(
  db: Kysely<Database>,
  tenantId: string,
  exportId: string,
  now: number,
  until: number,
): Promise<ExportToMake | 'done' | 'busy' | 'absent'> {
  const row = await db
    .selectFrom('exports')
    .innerJoin('tenants', 'tenants.id', 'exports.tenant_id')
    .innerJoin('machines', 'machines.id', 'exports.machine_id')
    .innerJoin('plants', 'plants.id', 'machines.plant_id')
    .selectAll('exports')
    .select(['tenants.slug as tenant', 'tenants.deleting_at', 'plants.slug as plant'])
    .select(['machines.slug as machine', 'machines.units'])
    .where('exports.tenant_id', '=', tenantId)
    .where('exports.id', '=', exportId)
    .executeTakeFirst()
  if (row === undefined) return 'absent'
  if (row.finished_at !== null || row.failure !== null || row.deleting_at !== null) return 'done'
  const { numUpdatedRows } = await db
    .updateTable('exports')
    .set({ busy_until: until, percent: 0 })
    .where('id', '=', exportId)
    .where('finished_at', 'is', null)
    .where((eb) => eb.or([eb('busy_until', 'is', null), eb('busy_until', '<', now)]))
    .executeTakeFirst()
  if (numUpdatedRows === 0n) return 'busy'
  return {
    ...{ id: exportId, tenantId, tenant: row.tenant, machineId: row.machine_id, plant: row.plant },
    ...{ machine: row.machine, units: row.units, format: row.format, tags: row.tags },
    ...{ from: row.from_ts, to: row.to_ts },
  }
}

export async function noteProgress(db: Kysely<Database>, exportId: string, percent: number): Promise<void> {
  await db.updateTable('exports').set({ percent }).where('id', '=', exportId).execute()
}

export async function finishExport(
  db: Kysely<Database>,
  exportId: string,
  { rows, bytes }: { rows: number; bytes: number },
): Promise<void> {
  const finished = { finished_at: Date.now(), percent: 100, rows, bytes, busy_until: null }
  await db.updateTable('exports').set(finished).where('id', '=', exportId).execute()
}

export async function failExport(db: Kysely<Database>, exportId: string, failure: ExportFailure): Promise<void> {
  await db.updateTable('exports').set({ failure, busy_until: null }).where('id', '=', exportId).execute()
}

/** For whoever takes it next, after a failure that may pass. */
export async function leaveExport(db: Kysely<Database>, exportId: string): Promise<void> {
  await db.updateTable('exports').set({ busy_until: 0 }).where('id', '=', exportId).execute()
}

/** Whether the archive has all of the day, and nothing more can come: until then Postgres has it all. */
export async function isDayInArchive(db: Kysely<Database>, tenantId: string, day: number): Promise<boolean> {
  const row = await db
    .selectFrom('archive_days')
    .select('verified_at')
    .where('tenant_id', '=', tenantId)
    .where('day', '=', day)
    .executeTakeFirst()
  return row !== undefined && (row.verified_at !== null || day < (await droppedBefore(db)))
}
