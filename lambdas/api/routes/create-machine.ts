import * as v from 'valibot'
import { CreateMachine, Machine } from '../../../schemas/api.ts'
import { createMachine } from '../../data/create-machine.ts'
import { MAX_MACHINES_PER_PLANT } from '../../data/create-machines.ts'
import { findMachine } from '../../data/live-machines.ts'
import { findPlant } from '../../data/plants.ts'
import { machineVersion } from '../object-versions.ts'
import { ApiError, notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'
import { tellConsumers } from '../tell-consumers.ts'

export const route = changeRoute({
  method: 'POST',
  path: '/v1/plants/{plantId}/machines',
  operationId: 'createMachine',
  summary: 'Makes a machine, active, before its first reading comes',
  params: v.object({ plantId: v.pipe(v.string(), v.uuid()) }),
  body: CreateMachine,
  answer: { status: 201, schema: Machine },
  version: machineVersion,
  async handle({ params: { plantId }, body, requestId, services, user, newId: machineId, transaction, afterCommit }) {
    const { tenantId, tenantSlug: tenant, userId, plantAccess } = user
    const plant = await findPlant(transaction, tenantId, plantAccess, plantId)
    if (plant === undefined) throw notFound()
    const by = { tenantId, userId, requestId }
    const outcome = await createMachine(transaction, by, plant, { ...body, machineId })
    if (outcome !== 'made') throw outcome === 'taken' ? slugTaken(body.slug) : plantFull()
    afterCommit(() => tellConsumers(services, [{ tenant, plant: plant.slug }]))
    return (await findMachine(transaction, tenantId, plantAccess, machineId))!
  },
})

function slugTaken(slug: string): ApiError {
  const message = `this plant has a machine ${slug} already`
  return new ApiError('conflict', `There is a machine ${slug} already.`, { fields: [{ path: 'slug', message }] })
}

function plantFull(): ApiError {
  return new ApiError('conflict', `The plant has ${MAX_MACHINES_PER_PLANT} machines, its most. Retire one first.`)
}
