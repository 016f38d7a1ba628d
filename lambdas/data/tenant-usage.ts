import { type Kysely, sql } from 'kysely'
import type { TenantUsage } from '../../schemas/admin.ts'
import type { Database } from './database.ts'
import { DAY_MS } from './partitions.ts'

const MOST_DAYS = 30

/**
 * What each tenant has sent in the last whole days that the archive has for sure, up to 30: messages and samples by its manifest, and
 * the time for which its gateways were connected. By slug.
 */
export async function usageOfTenants(db: Kysely<Database>, now: number): Promise<TenantUsage[]> {
  // Yesterday may still be on its way.
  const end = Math.floor(now / DAY_MS) - 1
  const { rows } = await sql<TenantUsage>`
    with counted as (
      select id, slug, greatest(${end - MOST_DAYS}::int8, div(created_at, ${DAY_MS})::int8 + 1) as first from tenants
    )
    select c.slug, greatest(${end}::int8 - c.first, 0)::int8 as days, coalesce(f.messages, 0)::int8 as messages,
      coalesce(f.samples, 0)::int8 as samples, coalesce(g.ms, 0)::int8 / 60000 as "connectedMinutes"
    from counted c
      left join lateral (
        select sum(messages) as messages, sum(samples) as samples from archive_files
        where tenant_id = c.id and state <> 'staged' and day >= c.first and day < ${end}::int8) f on true
      left join lateral (
        select sum(least(h.until, ${end}::int8 * ${DAY_MS}) - greatest(h.at, c.first * ${DAY_MS})) as ms
        from (
          select at, connection, lead(at, 1, ${now}::int8) over (partition by gateway_id order by at) as until
          from gateway_connections where tenant_id = c.id) h
        where h.connection = 'online' and h.until > c.first * ${DAY_MS} and h.at < ${end}::int8 * ${DAY_MS}) g on true
    order by c.slug`.execute(db)
  return rows
}
