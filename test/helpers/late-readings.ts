import type pg from 'pg'
import { type ReadingToStore, storeTelemetry } from '../../lambdas/data/store-telemetry.ts'

/** Stores readings of hours that are over, as ingest does: each with its (machine, hour) on the rollup queue, in one commit. */
export async function storeLate(pool: pg.Pool, readings: ReadingToStore[]): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await storeTelemetry(client as unknown as pg.Pool, readings, 0)
    await client.query(
      `insert into rollup_queue (tenant_id, machine_id, hour)
       select distinct t, m, ts / 3600000 from unnest($1::uuid[], $2::uuid[], $3::int8[]) u(t, m, ts)`,
      [
        readings.map((reading) => reading.tenantId),
        readings.map((reading) => reading.machineId),
        readings.map((reading) => reading.timestamp),
      ],
    )
    await client.query('commit')
  } finally {
    client.release()
  }
}
