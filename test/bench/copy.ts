/** What ingest is measured against: the same rows by COPY into the same table without keys, and without any check. */
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { v7 as uuidv7 } from 'uuid'
import type { BenchReading } from './ingest-readings.ts'

/** telemetry_events without its primary key, partitioned by day just so. */
export async function createKeylessTable(client: pg.Client): Promise<void> {
  await client.query('create table bench_copy (like telemetry_events) partition by range (ts)')
  await client.query(`do $$
    declare day record;
    begin
      for day in select c.relname, pg_get_expr(c.relpartbound, c.oid) as bounds from pg_class c
        join pg_inherits i on i.inhrelid = c.oid where i.inhparent = 'telemetry_events'::regclass loop
        execute format('create table %I partition of bench_copy %s', 'bench_copy_' || day.relname, day.bounds);
      end loop;
    end $$`)
}

const ID = uuidv7()

/** One COPY and one commit. */
export async function copyReadings(client: pg.Client, readings: BenchReading[]): Promise<void> {
  const lines = readings.map(({ timestamp, seq, values }) =>
    [ID, ID, timestamp, seq, timestamp, JSON.stringify(values), '\\N'].join('\t'),
  )
  await pipeline(Readable.from([`${lines.join('\n')}\n`]), client.query(copyFrom('copy bench_copy from stdin')))
}
