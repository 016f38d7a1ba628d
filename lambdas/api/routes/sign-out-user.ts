import * as v from 'valibot'
import { UserAccount } from '../../../schemas/people.ts'
import { findAccount } from '../../data/users.ts'
import { notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'
import { signOut } from '../sign-out.ts'

export const route = changeRoute({
  method: 'POST',
  path: '/v1/users/{userId}/sign-out',
  operationId: 'signOutUser',
  summary: 'Ends all sessions of a person, on every device, at once',
  params: v.object({ userId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 200, schema: UserAccount },
  async handle(call) {
    const { params, requestId, user, transaction } = call
    const { tenantId, plantAccess } = user
    const found = await findAccount(transaction, tenantId, plantAccess, params.userId)
    if (found === undefined) throw notFound()
    const { account, firebaseUid } = found
    await signOut(call, { tenantId, userId: user.userId, requestId }, { ...account, firebaseUid })
    return account
  },
})
