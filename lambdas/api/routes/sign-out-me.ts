import { Me } from '../../../schemas/api.ts'
import { meOf } from '../me.ts'
import { changeRoute } from '../route.ts'
import { signOut } from '../sign-out.ts'

export const route = changeRoute({
  method: 'POST',
  path: '/v1/me/sign-out',
  operationId: 'signOutMe',
  summary: 'Ends all sessions of the caller, on every device, this one included',
  answer: { status: 200, schema: Me },
  async handle(call) {
    const { requestId, user } = call
    await signOut(call, { tenantId: user.tenantId, userId: user.userId, requestId }, user)
    return meOf(user)
  },
})
