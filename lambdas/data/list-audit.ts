import { type Kysely, sql, type SqlBool } from 'kysely'
import type { PlantAccess } from '../../schemas/api.ts'
import type { AuditEntry, AuditQuery } from '../../schemas/people.ts'
import type { Database } from './database.ts'
import { visiblePlant } from './visible-plants.ts'

type Filter = Pick<AuditQuery, 'userId' | 'action' | 'subject' | 'from' | 'to'>

/** Newest first, and by id where the times are equal. What belongs to no plant is for admins of all plants. */
export function listAudit(
  db: Kysely<Database>,
  tenantId: string,
  access: PlantAccess,
  { userId, action, subject, from, to }: Filter,
  { limit, after }: { limit: number; after: Pick<AuditEntry, 'at' | 'id'> | undefined },
): Promise<AuditEntry[]> {
  return db
    .selectFrom('audit_log')
    .leftJoin('users', (join) =>
      join.onRef('users.id', '=', 'audit_log.user_id').onRef('users.tenant_id', '=', 'audit_log.tenant_id'),
    )
    .select(['audit_log.id', 'at', 'user_id as userId', 'users.email', 'action', 'subject', 'before', 'after'])
    .select('request_id as requestId')
    .where('audit_log.tenant_id', '=', tenantId)
    .where(visiblePlant(access, 'audit_log.plant_id'))
    .$if(userId !== undefined, (query) => query.where('user_id', '=', userId!))
    .$if(action !== undefined, (query) =>
      query.where((eb) =>
        eb.or([eb('action', '=', action!), eb(eb.fn('starts_with', ['action', eb.val(`${action}.`)]), '=', true)]),
      ),
    )
    .$if(subject !== undefined, (query) =>
      query.where((eb) => eb(eb.fn('starts_with', ['subject', eb.val(subject!)]), '=', true)),
    )
    .$if(from !== undefined, (query) => query.where('at', '>=', from!))
    .$if(to !== undefined, (query) => query.where('at', '<', to!))
    .$if(after !== undefined, (query) =>
      query.where(sql<SqlBool>`(at, audit_log.id) < (${after!.at}::int8, ${after!.id}::uuid)`),
    )
    .orderBy('at', 'desc')
    .orderBy('audit_log.id', 'desc')
    .limit(limit)
    .execute()
}
