import * as v from 'valibot'
import { EventsQuery, MachineEventPage } from '../../../schemas/api.ts'
import { findMachine } from '../../data/live-machines.ts'
import { listEvents } from '../../data/machine-events.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { pageOf, readCursor } from '../cursor.ts'
import { invalidField, notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

export const route = userRoute({
  method: 'GET',
  path: '/v1/machines/{machineId}/events',
  operationId: 'listEvents',
  summary: 'Readings of a machine as they came, newest first, while they are kept raw',
  params: v.object({ machineId: v.pipe(v.string(), v.uuid()) }),
  query: EventsQuery,
  answer: { status: 200, schema: MachineEventPage },
  async handle({ params: { machineId }, query, services, user }) {
    const { limit, from = 0, to = Number.MAX_SAFE_INTEGER } = query
    if (from >= to) throw invalidField('to', 'must be after from')
    const before = readPosition(readCursor(query.cursor))
    const events = await inTenant(services.db, user.tenantId, async (transaction) => {
      const machine = await findMachine(transaction, user.tenantId, user.plantAccess, machineId)
      if (machine === undefined) throw notFound()
      return listEvents(transaction, { tenantId: user.tenantId, machineId, from, to, limit: limit + 1, before })
    })
    return pageOf(events, limit, ({ timestamp, seq }) => `${timestamp}/${seq}`)
  },
})

function readPosition(key: string | undefined): { timestamp: number; seq: number } | undefined {
  if (key === undefined) return undefined
  const [, timestamp, seq] = /^(\d{1,15})\/(\d{1,16})$/.exec(key) ?? []
  if (timestamp === undefined) throw invalidField('cursor', 'must be the nextCursor of an earlier answer')
  return { timestamp: Number(timestamp), seq: Number(seq) }
}
