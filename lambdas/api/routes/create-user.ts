import { CreateUser, InvitedUser } from '../../../schemas/people.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { mayGive, removeReservedUser, reserveUser } from '../../data/users.ts'
import { invite } from '../invite.ts'
import { ApiError, notFound } from '../problem.ts'
import { userRoute } from '../route.ts'
import { withUndo } from '../../runtime/with-undo.ts'

/** The address is taken first: for one that is in use, by whatever company, nothing is asked of Firebase. */
export const route = userRoute({
  method: 'POST',
  path: '/v1/users',
  operationId: 'createUser',
  summary: 'Invites a person, who sets a password by the link in the mail',
  body: CreateUser,
  answer: { status: 201, schema: InvitedUser },
  async handle({ body, requestId, services, user, newId: userId }) {
    const { tenantId, plantAccess } = user
    const by = { tenantId, userId: user.userId, requestId }
    return withUndo(async (onFailure) => {
      const isOurs = await inTenant(services.db, tenantId, async (transaction) => {
        if (!(await mayGive(transaction, tenantId, plantAccess, body.plantAccess))) throw notFound()
        return reserveUser(transaction, by, { ...body, userId })
      })
      if (!isOurs) throw addressTaken()
      const reserved = { userId, email: body.email }
      onFailure('give the address back', () =>
        inTenant(services.db, tenantId, (transaction) => removeReservedUser(transaction, by, reserved)),
      )
      return invite(services, user, reserved, requestId)
    })
  },
})

/** The same whoever has it: one company learns nothing about another's people. */
function addressTaken(): ApiError {
  const message = 'has an account already'
  return new ApiError('conflict', 'This address cannot be invited: it has an account already.', {
    fields: [{ path: 'email', message }],
  })
}
