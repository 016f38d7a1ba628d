import { type Kysely, type Selectable, sql, type Transaction } from 'kysely'
import type { PlantAccess } from '../../schemas/api.ts'
import type { CreateExport, Export, ExportFailure, ExportState } from '../../schemas/exports.ts'
import type { Database, Exports } from './database.ts'
import { visiblePlant } from './visible-plants.ts'

/** Of a file, from when it was made. The bucket's lifecycle removes it at the first midnight (UTC) after that. */
export const EXPORT_KEPT_MS = 3 * 86_400_000
/** After which an export that is not finished never will be: its message has come as often as it may. */
const GIVEN_UP_AFTER_MS = 4 * 3_600_000
/** Between two times that the worker is told of an export which nobody has begun. */
const ASK_EVERY_MS = 60_000

/** The file of an export: the same one however often it is made. */
export const exportKey = (tenant: string, { id, format }: Pick<Exports, 'id' | 'format'>): string =>
  `${exportsOf(tenant)}${id}.${format}`

/** Begins the keys of all files of a tenant. */
export const exportsOf = (tenant: string): string => `exports/tenant=${tenant}/`

function exportRows(db: Kysely<Database>, tenantId: string, access: PlantAccess) {
  return db
    .selectFrom('exports')
    .innerJoin('machines', 'machines.id', 'exports.machine_id')
    .innerJoin('plants', 'plants.id', 'machines.plant_id')
    .selectAll('exports')
    .select(['plants.id as plantId', 'plants.slug as plant', 'machines.slug as machine'])
    .where('exports.tenant_id', '=', tenantId)
    .where(visiblePlant(access, 'plants.id'))
}

type Row = Awaited<ReturnType<ReturnType<typeof exportRows>['executeTakeFirstOrThrow']>>

function stateOf(row: Selectable<Exports>, now: number): { state: ExportState; failure: ExportFailure | null } {
  if (row.failure !== null) return { state: 'failed', failure: row.failure }
  if (row.finished_at !== null)
    return { state: now < row.finished_at + EXPORT_KEPT_MS ? 'ready' : 'expired', failure: null }
  if (now > row.created_at + GIVEN_UP_AFTER_MS) return { state: 'failed', failure: 'not_finished' }
  return { state: row.busy_until === null ? 'queued' : 'running', failure: null }
}

function exportOf(row: Row, now: number): Export {
  const { state, failure } = stateOf(row, now)
  return {
    ...{ exportId: row.id, machineId: row.machine_id, machine: row.machine, plantId: row.plantId, plant: row.plant },
    ...{ tags: row.tags, from: row.from_ts, to: row.to_ts, format: row.format, state, failure },
    ...{ percent: row.percent, createdAt: row.created_at, rows: row.rows, bytes: row.bytes },
    expiresAt: state === 'ready' || state === 'expired' ? row.finished_at! + EXPORT_KEPT_MS : null,
  }
}

/** Undefined when there is none of a plant that the user may see. */
export async function findExport(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  exportId: string,
): Promise<Export | undefined> {
  const row = await exportRows(db, tenantId, access).where('exports.id', '=', exportId).executeTakeFirst()
  return row && exportOf(row, Date.now())
}

/** Newest first. */
export async function listExports(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  machineId: string | undefined,
  { limit, after }: { limit: number; after: { at: number; id: string } | undefined },
): Promise<Export[]> {
  const rows = await exportRows(db, tenantId, access)
    .$if(machineId !== undefined, (query) => query.where('exports.machine_id', '=', machineId!))
    .$if(after !== undefined, (query) =>
      query.where(sql<boolean>`(exports.created_at, exports.id) < (${after!.at}, ${after!.id}::uuid)`),
    )
    .orderBy('exports.created_at', 'desc')
    .orderBy('exports.id', 'desc')
    .limit(limit)
    .execute()
  const now = Date.now()
  return rows.map((row) => exportOf(row, now))
}

/** False when the person has as many unfinished ones already. That the machine is visible has been checked. */
export async function createExport(
  transaction: Transaction<Database>,
  { tenantId, userId }: { tenantId: string; userId: string },
  exportId: string,
  { machineId, tags, from, to, format }: CreateExport,
  maxUnfinished: number,
): Promise<boolean> {
  const now = Date.now()
  // One at a time of each person, so that they are counted right.
  await sql`select from users where id = ${userId} for update`.execute(transaction)
  const { unfinished } = await transaction
    .selectFrom('exports')
    .select(({ fn }) => fn.countAll<number>().as('unfinished'))
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .where('created_at', '>', now - GIVEN_UP_AFTER_MS)
    .where('finished_at', 'is', null)
    .where('failure', 'is', null)
    .executeTakeFirstOrThrow()
  if (unfinished >= maxUnfinished) return false
  await transaction
    .insertInto('exports')
    .values({
      ...{ id: exportId, tenant_id: tenantId, machine_id: machineId, user_id: userId, format, tags },
      ...{ from_ts: from, to_ts: to, created_at: now, asked_at: now },
    })
    .execute()
  return true
}

/** True, once a minute, for one that nobody has begun: the message that tells the worker may be lost. */
export async function isToAskAgain(db: Kysely<Database>, tenantId: string, exportId: string): Promise<boolean> {
  const now = Date.now()
  const { numUpdatedRows } = await db
    .updateTable('exports')
    .set({ asked_at: now })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', exportId)
    .where('asked_at', '<', now - ASK_EVERY_MS)
    .where('busy_until', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Until when somebody may be at an export of the tenant (epoch ms); 0 when nobody is. */
export async function exportsBusyUntil(db: Kysely<Database>, tenantId: string): Promise<number> {
  const { until } = await db
    .selectFrom('exports')
    .select(({ fn }) => fn.max('busy_until').as('until'))
    .where('tenant_id', '=', tenantId)
    .where('finished_at', 'is', null)
    .where('failure', 'is', null)
    .executeTakeFirstOrThrow()
  return until ?? 0
}
