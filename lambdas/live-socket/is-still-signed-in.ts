import { isSessionOver, type User } from '../data/find-user.ts'
import type { TicketHolder } from '../data/live-connections.ts'

/** Whether the user of a ticket is who they were, and has not been disabled or signed out since. */
export function isStillSignedIn(user: User | undefined, holder: TicketHolder): user is User {
  if (user === undefined || user.disabledAt !== null || user.tenantId !== holder.tenantId) return false
  return !isSessionOver(user, holder.authTime)
}
