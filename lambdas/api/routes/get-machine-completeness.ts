import { sql } from 'kysely'
import * as v from 'valibot'
import { CompletenessOfMachine, TimeQuery } from '../../../schemas/api.ts'
import { readCompleteness } from '../../data/completeness.ts'
import { readMissingRanges } from '../../data/missing-ranges.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { visiblePlant } from '../../data/visible-plants.ts'
import { notFound } from '../problem.ts'
import { readTimes } from '../read-times.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/machines/{machineId}/completeness',
  operationId: 'getMachineCompleteness',
  summary: 'How much of a machine’s readings is stored, and which are missing, of a range of time or of all',
  params: v.object({ machineId: v.pipe(v.string(), v.uuid()) }),
  query: TimeQuery,
  answer: { status: 200, schema: CompletenessOfMachine },
  async handle({ params: { machineId }, query, services, user: { tenantId, plantAccess } }) {
    const machines = sql<boolean>`machines.id = ${machineId} and ${visiblePlant(plantAccess, 'machines.plant_id')}`
    const asked = { tenantId, machines, ...readTimes(query), now: Date.now() }
    return inTenant(services.db, tenantId, async (transaction) => {
      const { items } = await readCompleteness(transaction, asked, 1)
      if (items[0] === undefined) throw notFound()
      return { ...items[0], ...(await readMissingRanges(transaction, asked)) }
    })
  },
})
