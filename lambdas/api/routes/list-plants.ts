import { PageQuery, PlantPage } from '../../../schemas/api.ts'
import { listPlants } from '../../data/plants.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { pageOf, readCursor } from '../cursor.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/plants',
  operationId: 'listPlants',
  summary: 'Plants of the user, by slug',
  query: PageQuery,
  answer: { status: 200, schema: PlantPage },
  async handle({ query: { limit, cursor }, services, user }) {
    const page = { limit: limit + 1, after: readCursor(cursor) }
    const plants = await inTenant(services.db, user.tenantId, (transaction) =>
      listPlants(transaction, user.tenantId, user.plantAccess, page),
    )
    return pageOf(plants, limit, (plant) => plant.slug)
  },
})
