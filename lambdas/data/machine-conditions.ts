import { type RawBuilder, sql } from 'kysely'
import {
  CLOCK_SKEW_FROM_MS,
  type Condition,
  RUNNING_WORDS,
  STALE_AFTER_LEAST_MS,
  STOPPED_WORDS,
} from '../../schemas/conditions.ts'

/**
 * How many machines of `plants.id` are in each condition: a subquery, an object without those that none is in. It says what the
 * page says (web/src/live/freshness.ts), but knows no machine's usual interval: stale is what is older than 30 s.
 */
export function machineConditions(
  tenantId: string,
  now: number,
): RawBuilder<Partial<Record<Condition, number>> | null> {
  const isGood = (tag: string) => sql`s.quality ->> ${tag} is null`
  return sql`(
    select jsonb_object_agg(c.condition, c.machines) from (
      select count(*) as machines, case
        when s.machine_id is null then 'silent'
        when g.connection = 'offline' then 'offline'
        when ${now} - s.ts - case when abs(g.clock_skew_ms) >= ${CLOCK_SKEW_FROM_MS} then g.clock_skew_ms else 0 end
          > ${STALE_AFTER_LEAST_MS} then 'stale'
        when not exists (
          select from jsonb_each(s.values) v (tag, value)
          where coalesce(s.quality ->> v.tag, case when v.value = 'null' then 'bad' end, 'good') <> 'bad') then 'bad'
        when jsonb_typeof(s.values -> 'running') = 'boolean' and ${isGood('running')}
          then case when (s.values -> 'running')::boolean then 'running' else 'stopped' end
        when jsonb_typeof(s.values -> 'state') = 'string' and ${isGood('state')} then case
          when lower(btrim(s.values ->> 'state')) = any(${RUNNING_WORDS}::text[]) then 'running'
          when lower(btrim(s.values ->> 'state')) = any(${STOPPED_WORDS}::text[]) then 'stopped'
          else 'reporting' end
        else 'reporting' end as condition
      from machines m
      left join machine_state s on s.machine_id = m.id
      left join gateways g on g.id = m.gateway_id
      where m.tenant_id = ${tenantId} and m.plant_id = plants.id and m.status <> 'retired'
      group by condition
    ) c)`
}
