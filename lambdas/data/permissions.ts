import type { Role } from '../../schemas/api.ts'

/**
 * Which roles may do what (DESIGN section 8). The one table that the routes, the OpenAPI document and the live socket
 * read. Everything is limited to the plants of the user's plantAccess as well, which the queries see to.
 */
export const PERMISSIONS = {
  /** Plants, machines, live values, gateways. */
  see: ['viewer', 'plant_operator', 'manager', 'admin'],
  /** Machines: approve, rename, retire. */
  manage: ['manager', 'admin'],
  /** Plants, gateways, users, dead letters. */
  administer: ['admin'],
} as const satisfies Record<string, readonly Role[]>

export type Permission = keyof typeof PERMISSIONS

export function roleMay(role: Role, permission: Permission): boolean {
  const roles: readonly Role[] = PERMISSIONS[permission]
  return roles.includes(role)
}
