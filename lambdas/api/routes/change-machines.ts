import { ChangedMachines, ChangeMachines } from '../../../schemas/api.ts'
import { changeMachines } from '../../data/change-machines.ts'
import { notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'
import { tellConsumers } from '../tell-consumers.ts'

export const route = changeRoute({
  method: 'PATCH',
  path: '/v1/machines',
  operationId: 'changeMachines',
  summary: 'Approves or retires up to 500 machines, all of them or none; `changed` counts those that were not so yet',
  body: ChangeMachines,
  answer: { status: 200, schema: ChangedMachines },
  async handle({ body, requestId, services, user: { tenantId, userId, plantAccess }, transaction, afterCommit }) {
    const done = await changeMachines(transaction, { tenantId, userId, requestId }, plantAccess, body)
    if (done === undefined) throw notFound()
    afterCommit(() => tellConsumers(services, done.plants))
    return { changed: done.changed }
  },
})
