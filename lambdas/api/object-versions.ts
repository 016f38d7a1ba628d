/** What people change of each kind of object: what its ETag is made of. */
import type { Machine, Plant } from '../../schemas/api.ts'

export const plantVersion = ({ name, timeZone }: Pick<Plant, 'name' | 'timeZone'>) => [name, timeZone]

export const machineVersion = ({ name, status }: Pick<Machine, 'name' | 'status'>) => [name, status]
