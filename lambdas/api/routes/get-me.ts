import { Me } from '../../../schemas/api.ts'
import { meOf } from '../me.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/me',
  operationId: 'getMe',
  summary: 'Who is signed in, for which company, with which role and plants',
  answer: { status: 200, schema: Me },
  handle: ({ user }) => Promise.resolve(meOf(user)),
})
