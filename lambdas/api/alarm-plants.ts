import type { User } from '../data/find-user.ts'
import { findPlant } from '../data/plants.ts'
import type { UserCall } from './route.ts'
import { ApiError, notFound } from './problem.ts'

type Transaction = Parameters<typeof findPlant>[0]

/** Throws ApiError when the user may not speak for this plant, or, without one (null), for all plants of the company. */
export async function mustSpeakFor(
  transaction: Transaction,
  { tenantId, plantAccess }: Pick<User, 'tenantId' | 'plantAccess'>,
  plantId: string | null,
): Promise<void> {
  if (plantId === null) {
    if (plantAccess === 'all') return
    throw new ApiError(
      'forbidden',
      'Only those who see all plants of the company may speak for all of them: name a plant.',
    )
  }
  if ((await findPlant(transaction, tenantId, plantAccess, plantId)) === undefined) throw notFound()
}

/** Who does it, for the audit log. */
export const authorOf = ({ user, requestId }: Pick<UserCall<never, never, never>, 'user' | 'requestId'>) => ({
  ...{ tenantId: user.tenantId, userId: user.userId, requestId },
})
