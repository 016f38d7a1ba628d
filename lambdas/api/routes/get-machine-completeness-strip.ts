import { sql } from 'kysely'
import * as v from 'valibot'
import { CompletenessStrip, CompletenessStripQuery, MAX_STRIP_CELLS } from '../../../schemas/api.ts'
import { readCompleteness } from '../../data/completeness.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { visiblePlant } from '../../data/visible-plants.ts'
import { invalidField, notFound } from '../problem.ts'
import { readTimes } from '../read-times.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/machines/{machineId}/completeness/strip',
  operationId: 'getMachineCompletenessStrip',
  summary: `How much of a machine’s readings is stored, in cells of time, at most ${MAX_STRIP_CELLS}`,
  params: v.object({ machineId: v.pipe(v.string(), v.uuid()) }),
  query: CompletenessStripQuery,
  answer: { status: 200, schema: CompletenessStrip },
  async handle({ params: { machineId }, query, services, user: { tenantId, plantAccess } }) {
    readTimes(query)
    const starts = cellStarts(query)
    if (starts.length > MAX_STRIP_CELLS) throw invalidField('cellMs', `must give at most ${MAX_STRIP_CELLS} cells`)
    const machines = sql<boolean>`machines.id = ${machineId} and ${visiblePlant(plantAccess, 'machines.plant_id')}`
    const now = Date.now()
    return inTenant(services.db, tenantId, async (transaction) => {
      const cells: CompletenessStrip['cells'] = []
      for (const from of starts) {
        const to = from + query.cellMs
        const { items } = await readCompleteness(transaction, { tenantId, machines, from, to, now }, 1)
        if (items[0] === undefined) throw notFound()
        const { expected, stored, percent, missing, held, dropped, quarantined, lost, underway, undeclared } = items[0]
        cells.push({
          ...{ from, to, expected, stored, percent, missing },
          ...{ held, dropped, quarantined, lost, underway, undeclared },
        })
      }
      return { cells }
    })
  },
})

/** One more than allowed at most: an endless range is not counted out. */
function cellStarts({ from, to, cellMs }: { from: number; to: number; cellMs: number }): number[] {
  const first = Math.floor(from / cellMs) * cellMs
  const count = Math.min(MAX_STRIP_CELLS + 1, Math.ceil((to - first) / cellMs))
  return Array.from({ length: count }, (_, index) => first + index * cellMs)
}
