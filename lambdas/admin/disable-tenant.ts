import type { AdminAnswer } from '../../schemas/admin.ts'
import { forgetUsers } from '../data/cached-user.ts'
import { closeConnections } from '../data/close-connections.ts'
import { findTenant, peopleOf, setDisabled } from '../data/tenants.ts'
import { runBounded } from '../runtime/run-bounded.ts'
import { type Command, noTenant, refused, type Services } from './services.ts'

const USERS_AT_ONCE = 10

/**
 * At once for people: what the API remembers of them goes before the commit, and their sockets are closed after it. Consumers
 * see it within a minute: from then on the gateways' messages are dead letters, which wait for the tenant to be enabled.
 */
export async function disableOrEnableTenant(
  services: Services,
  { command, slug }: Command<'tenant disable'> | Command<'tenant enable'>,
  requestId: string,
): Promise<AdminAnswer> {
  const { db, redis } = services
  const tenant = await findTenant(db, slug)
  if (tenant === undefined) return noTenant(slug)
  if (tenant.deleting_at !== null) return refused(`${slug} is being deleted: there is no way back`)
  const disabled = command === 'tenant disable'
  const people = await peopleOf(db, tenant.id)
  const changed = await setDisabled(db, tenant, disabled, requestId, () => forgetUsers(redis, people))
  if (disabled) await runBounded(people, USERS_AT_ONCE, ({ userId }) => closeConnections(services, userId))
  const state = disabled ? 'disabled' : 'enabled'
  return { status: 'done', message: changed ? `tenant ${slug} ${state}` : `tenant ${slug} was ${state} already` }
}
