import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import type { MachineEvent } from '../../schemas/api.ts'
import type { Database } from './database.ts'

export interface EventsOf {
  tenantId: string
  machineId: string
  /** Epoch ms; `to` is not included. */
  from: number
  to: number
  limit: number
  /** Only older ones than this, by (timestamp, seq). */
  before: { timestamp: number; seq: number } | undefined
}

/** Raw events as they came, newest first. That the user may see the machine has been checked. */
export async function listEvents(
  db: Kysely<Database>,
  { tenantId, machineId, from, to, limit, before }: EventsOf,
): Promise<MachineEvent[]> {
  const rows = await db
    .selectFrom('telemetry_events')
    .select(['ts', 'seq', 'received_at', 'values', 'quality'])
    .where('tenant_id', '=', tenantId)
    .where('machine_id', '=', machineId)
    .where('ts', '>=', from)
    // Beside the row comparison, because only this one rules out partitions.
    .where('ts', before ? '<=' : '<', before ? before.timestamp : to)
    .$if(before !== undefined, (query) => query.where(sql<boolean>`(ts, seq) < (${before!.timestamp}, ${before!.seq})`))
    .orderBy('ts', 'desc')
    .orderBy('seq', 'desc')
    .limit(limit)
    .execute()
  return rows.map(({ ts, seq, received_at, values, quality }) => ({
    ...{ timestamp: ts, seq, receivedAt: received_at, values },
    ...(quality !== null && { quality }),
  }))
}
