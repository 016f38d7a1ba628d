import { Me } from '../../../schemas/api.ts'
import { permissionsOf } from '../../../schemas/permissions.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/me',
  operationId: 'getMe',
  summary: 'Who is signed in, for which company, with which role and plants',
  answer: { status: 200, schema: Me },
  handle: ({ user }) =>
    Promise.resolve({
      userId: user.userId,
      email: user.email,
      tenant: { tenantId: user.tenantId, slug: user.tenantSlug, name: user.tenantName },
      role: user.role,
      plantAccess: user.plantAccess,
      may: permissionsOf(user.role),
      locale: user.locale,
    }),
})
