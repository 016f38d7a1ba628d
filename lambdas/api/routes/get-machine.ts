import * as v from 'valibot'
import { Machine } from '../../../schemas/api.ts'
import { findMachine } from '../../data/live-machines.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { machineVersion } from '../object-versions.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/machines/{machineId}',
  operationId: 'getMachine',
  summary: 'A machine with its current state',
  params: v.object({ machineId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 200, schema: Machine },
  version: machineVersion,
  async handle({ params: { machineId }, services, user }) {
    const machine = await inTenant(services.db, user.tenantId, (transaction) =>
      findMachine(transaction, user.tenantId, user.plantAccess, machineId),
    )
    if (machine === undefined) throw notFound()
    return machine
  },
})
