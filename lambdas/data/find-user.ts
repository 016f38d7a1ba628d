import { type Kysely, sql } from 'kysely'
import * as v from 'valibot'
import { PlantAccess } from '../../schemas/api.ts'
import { Role } from '../../schemas/permissions.ts'
import type { Database } from './database.ts'

/** Who is asking. Also the form in which it lies in Redis for a minute, which is why it is a schema. */
export const User = v.object({
  userId: v.string(),
  firebaseUid: v.string(),
  email: v.string(),
  tenantId: v.string(),
  tenantSlug: v.string(),
  tenantName: v.string(),
  role: Role,
  plantAccess: PlantAccess,
  locale: v.nullable(v.picklist(['en', 'es'])),
  /** Set when the user or the whole tenant has been disabled. */
  disabledAt: v.nullable(v.number()),
  /** Epoch ms: sign-ins before it are void. */
  sessionsValidAfter: v.number(),
  /** To the hour. */
  lastSeenAt: v.nullable(v.number()),
})
export type User = v.InferOutput<typeof User>

interface Row {
  id: string
  tenant_id: string
  tenant_slug: string
  tenant_name: string
  email: string
  role: Role
  all_plants: boolean
  plant_ids: string[]
  locale: 'en' | 'es' | null
  disabled_at: number | null
  sessions_valid_after: number
  last_seen_at: number | null
}

/** By the function that row security does not bind: until the user is known, so is no tenant. */
export async function findUser(db: Kysely<Database>, firebaseUid: string): Promise<User | undefined> {
  const { rows } = await sql<Row>`select * from find_user(${firebaseUid})`.execute(db)
  const row = rows[0]
  return (
    row && {
      userId: row.id,
      firebaseUid,
      email: row.email,
      tenantId: row.tenant_id,
      tenantSlug: row.tenant_slug,
      tenantName: row.tenant_name,
      role: row.role,
      plantAccess: row.all_plants ? 'all' : row.plant_ids,
      locale: row.locale,
      disabledAt: row.disabled_at,
      sessionsValidAfter: row.sessions_valid_after,
      lastSeenAt: row.last_seen_at,
    }
  )
}

/** `authTime` is Firebase's, in whole seconds. */
export const isSessionOver = ({ sessionsValidAfter }: User, authTime: number) => authTime * 1000 < sessionsValidAfter
