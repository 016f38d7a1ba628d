import * as v from 'valibot'
import { ExportWithUrl } from '../../../schemas/exports.ts'
import { exportKey, findExport, isToAskAgain } from '../../data/exports.ts'
import { inTenant } from '../../data/tenant-transaction.ts'
import { askForExport } from '../ask-for-export.ts'
import { notFound } from '../problem.ts'
import { userRoute } from '../route.ts'

/** Whoever has the address gets the file; so it holds for as long as a click and a redirect may take. */
const URL_SEC = 300

export const route = userRoute({
  method: 'GET',
  path: '/v1/exports/{exportId}',
  operationId: 'getExport',
  summary: 'How far an export is, and where its file can be had for the next 5 minutes',
  params: v.object({ exportId: v.pipe(v.string(), v.uuid()) }),
  answer: { status: 200, schema: ExportWithUrl },
  async handle({ params: { exportId }, services, user: { tenantId, tenantSlug, plantAccess } }) {
    const { found, askAgain } = await inTenant(services.db, tenantId, async (transaction) => {
      const one = await findExport(transaction, tenantId, plantAccess, exportId)
      if (one === undefined) throw notFound()
      return {
        found: one,
        askAgain: one.state === 'queued' && (await isToAskAgain(transaction, tenantId, exportId)),
      }
    })
    if (askAgain) await askForExport(services, { tenantId, exportId })
    if (found.state !== 'ready') return { ...found, url: null }
    const { plant, machine, from, to, format } = found
    const fileName = `${plant}_${machine}_${dateOf(from)}_${dateOf(to - 1)}.${format}`
    const key = exportKey(tenantSlug, { id: exportId, format })
    return { ...found, url: await services.exports.url(key, { expiresInSec: URL_SEC, fileName }) }
  },
})

const dateOf = (at: number) => new Date(at).toISOString().slice(0, 10)
