import * as v from 'valibot'
import { ChangeMachine, Machine } from '../../../schemas/api.ts'
import { changeMachine } from '../../data/change-machine.ts'
import { findMachine } from '../../data/live-machines.ts'
import { machineVersion } from '../object-versions.ts'
import { notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'
import { tellConsumers } from '../tell-consumers.ts'

/** Browsers see the change with the machine's next reading; a retired machine's readings are refused from then on. */
export const route = changeRoute({
  method: 'PATCH',
  path: '/v1/machines/{machineId}',
  operationId: 'changeMachine',
  summary: 'Approves, renames or retires a machine; its slug never changes',
  params: v.object({ machineId: v.pipe(v.string(), v.uuid()) }),
  body: ChangeMachine,
  answer: { status: 200, schema: Machine },
  version: machineVersion,
  async handle({ params: { machineId }, body, requestId, services, user, transaction, mustMatch, afterCommit }) {
    const { tenantId, userId, plantAccess } = user
    const by = { tenantId, userId, requestId }
    const plant = await changeMachine(transaction, by, plantAccess, machineId, body, (before) =>
      mustMatch(machineVersion(before)),
    )
    const machine = await findMachine(transaction, tenantId, plantAccess, machineId)
    if (plant === undefined || machine === undefined) throw notFound()
    afterCommit(() => tellConsumers(services, [plant]))
    return machine
  },
})
