import type { Me } from '../../schemas/api.ts'
import { permissionsOf } from '../../schemas/permissions.ts'
import type { User } from '../data/find-user.ts'

export const meOf = (user: User): Me => ({
  userId: user.userId,
  email: user.email,
  tenant: { tenantId: user.tenantId, slug: user.tenantSlug, name: user.tenantName },
  role: user.role,
  plantAccess: user.plantAccess,
  may: permissionsOf(user.role),
  locale: user.locale,
})
