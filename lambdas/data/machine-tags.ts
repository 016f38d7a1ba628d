import { type Kysely, sql } from 'kysely'
import type { MachineTag } from '../../schemas/api.ts'
import type { Database } from './database.ts'
import type { PageOf } from './page.ts'

/**
 * A page of the tags that a machine has ever sent, by name, with the newest value of each. The kind of one that has no
 * value at the moment is what its history has last. That the user may see the machine has been checked.
 */
export async function listTags(
  db: Kysely<Database>,
  tenantId: string,
  machineId: string,
  { limit, after }: PageOf,
): Promise<MachineTag[]> {
  const { rows } = await sql<MachineTag>`
    select t.tag, m.units ->> t.tag as unit, t.value, coalesce(s.quality ->> t.tag, 'good') as quality,
      coalesce((s.older_tags -> t.tag ->> 0)::int8, s.ts) as timestamp,
      coalesce(nullif(jsonb_typeof(t.value), 'null'), (
        select r.kind from rollups r
        where r.tenant_id = s.tenant_id and r.machine_id = s.machine_id and r.tag = t.tag and r.kind <> 'bad'
        order by r.hour desc, r.kind desc limit 1)) as kind
    from machine_state s join machines m on m.id = s.machine_id, jsonb_each(s.values) as t(tag, value)
    where s.tenant_id = ${tenantId} and s.machine_id = ${machineId} and t.tag collate "C" > ${after ?? ''}
    order by t.tag collate "C" limit ${limit}`.execute(db)
  return rows
}
