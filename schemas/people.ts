/** Contracts of the routes about people, and of what they have done. */
import * as v from 'valibot'
import { Email, page, PageQuery, PlantAccess, TimeQuery, Uuid } from './api.ts'
import { Role } from './permissions.ts'
import { EpochMs } from './slugs.ts'

const Access = v.union(
  [v.literal('all'), v.pipe(v.array(Uuid), v.maxLength(500))],
  'must be "all" or a list of ids of plants',
)

export const UserAccount = v.object({
  userId: Uuid,
  email: v.string(),
  role: Role,
  plantAccess: PlantAccess,
  disabled: v.boolean(),
  /** When a link to set a password was last made; null for one whom the platform team gave a password. */
  invitedAt: v.nullable(EpochMs),
  /** To the hour; null: has never signed in, the invitation is open. */
  lastSeenAt: v.nullable(EpochMs),
  createdAt: EpochMs,
  updatedAt: EpochMs,
})
export type UserAccount = v.InferOutput<typeof UserAccount>
export const UserAccountPage = page(UserAccount)
export type UserAccountPage = v.InferOutput<typeof UserAccountPage>

export const CreateUser = v.strictObject({ email: Email, role: Role, plantAccess: Access })
export type CreateUser = v.InferOutput<typeof CreateUser>

/** At least one field. */
export const ChangeUser = v.pipe(
  v.strictObject({
    role: v.optional(Role),
    plantAccess: v.optional(Access),
    disabled: v.optional(v.boolean()),
    email: v.optional(v.never('never changes: it is the name of the account. Invite the new address')),
  }),
  v.check((change) => Object.keys(change).length > 0, 'must change something'),
)
export type ChangeUser = v.InferOutput<typeof ChangeUser>

/** `link` lets whoever has it set the password of the account, once: hand it over when the mail does not arrive. */
export const InvitedUser = v.object({
  user: UserAccount,
  invitation: v.object({ link: v.string(), mailed: v.boolean() }),
})
export type InvitedUser = v.InferOutput<typeof InvitedUser>

export const ChangeMe = v.strictObject({ locale: v.nullable(v.picklist(['en', 'es'])) })
export type ChangeMe = v.InferOutput<typeof ChangeMe>

export const AuditEntry = v.object({
  id: Uuid,
  at: EpochMs,
  /** Null: the platform team, or a gateway by its own token or key. */
  userId: v.nullable(Uuid),
  email: v.nullable(v.string()),
  /** `thing.verb` */
  action: v.string(),
  subject: v.string(),
  before: v.unknown(),
  after: v.unknown(),
  requestId: v.string(),
})
export type AuditEntry = v.InferOutput<typeof AuditEntry>
export const AuditPage = page(AuditEntry)
export type AuditPage = v.InferOutput<typeof AuditPage>

export const AuditQuery = v.strictObject({
  ...PageQuery.entries,
  ...TimeQuery.entries,
  userId: v.optional(Uuid),
  /** `machine.change`, or `machine` for all of a kind. */
  action: v.optional(v.pipe(v.string(), v.regex(/^[a-z_]{1,40}(\.[a-z_]{1,40})?$/, 'must be thing or thing.verb'))),
  /** Beginning of it. */
  subject: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(256))),
})
export type AuditQuery = v.InferOutput<typeof AuditQuery>
