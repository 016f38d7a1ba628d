import * as v from 'valibot'
import { ChangePlant, Plant } from '../../../schemas/api.ts'
import { changePlant } from '../../data/change-plant.ts'
import { readPlant } from '../../data/plants.ts'
import { plantVersion } from '../object-versions.ts'
import { notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'PATCH',
  path: '/v1/plants/{plantId}',
  operationId: 'changePlant',
  summary: "Changes a plant's name or time zone; its slugs never change",
  params: v.object({ plantId: v.pipe(v.string(), v.uuid()) }),
  body: ChangePlant,
  answer: { status: 200, schema: Plant },
  version: plantVersion,
  async handle({ params: { plantId }, body, requestId, user, transaction, mustMatch }) {
    const { tenantId, userId, plantAccess } = user
    const by = { tenantId, userId, requestId }
    const isThere = await changePlant(transaction, by, plantAccess, plantId, body, (before) =>
      mustMatch(plantVersion(before)),
    )
    if (!isThere) throw notFound()
    return readPlant(transaction, tenantId, plantId)
  },
})
