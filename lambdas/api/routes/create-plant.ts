import { CreatePlant, Plant } from '../../../schemas/api.ts'
import { forgetUsers } from '../../data/cached-user.ts'
import { addToOwnPlants, createPlant } from '../../data/create-plant.ts'
import { readPlant } from '../../data/plants.ts'
import { plantVersion } from '../object-versions.ts'
import { ApiError } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'POST',
  path: '/v1/plants',
  operationId: 'createPlant',
  summary: 'Makes a plant; an admin of some plants only sees it as well',
  body: CreatePlant,
  answer: { status: 201, schema: Plant },
  version: plantVersion,
  async handle({ body, requestId, services, user, newId: plantId, transaction }) {
    const { tenantId, userId, plantAccess } = user
    const isMade = await createPlant(transaction, { tenantId, userId, requestId }, { ...body, plantId })
    if (!isMade) throw slugTaken(body.slug)
    const isOwnNow = await addToOwnPlants(transaction, user, plantAccess, plantId)
    if (isOwnNow) await forgetUsers(services.redis, [user])
    return readPlant(transaction, tenantId, plantId)
  },
})

function slugTaken(slug: string): ApiError {
  const message = `your company has a plant ${slug} already: a slug is used once, in whatever province`
  return new ApiError('conflict', `There is a plant ${slug} already.`, { fields: [{ path: 'slug', message }] })
}
