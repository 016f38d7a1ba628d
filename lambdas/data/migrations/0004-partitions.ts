import { type Kysely, sql } from 'kysely'

/**
 * `ensure_partitions(first, last)` makes the missing day partitions of telemetry_events, for UTC days with both ends
 * included, and returns how many it made. A table is built apart and then attached, because CREATE TABLE PARTITION OF
 * would lock ingest out. Owned by master, so that ingest can call it when it meets a day without partition.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
create function ensure_partitions(p_first date, p_last date) returns int
language plpgsql security definer set search_path = public, pg_temp as $f$
declare
  day date;
  name text;
  made int := 0;
begin
  perform pg_advisory_xact_lock(7003);
  for day in select generate_series(p_first, p_last, interval '1 day')::date loop
    name := 'telemetry_events_' || to_char(day, 'YYYYMMDD');
    continue when to_regclass('public.' || name) is not null;
    execute format('create table %I (like telemetry_events including all)', name);
    execute format('alter table telemetry_events attach partition %I for values from (%s) to (%s)', name,
      extract(epoch from day)::int8 * 1000, extract(epoch from day + 1)::int8 * 1000);
    made := made + 1;
  end loop;
  return made;
end $f$;
revoke all on function ensure_partitions(date, date) from public;
`.execute(db)
}
