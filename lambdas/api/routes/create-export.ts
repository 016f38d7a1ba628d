import {
  CreateExport,
  Export,
  MAX_EXPORT_DAYS,
  MAX_EXPORT_TAG_DAYS,
  MAX_UNFINISHED_EXPORTS,
} from '../../../schemas/exports.ts'
import { createExport, findExport } from '../../data/exports.ts'
import { findMachine } from '../../data/live-machines.ts'
import { DAY_MS } from '../../data/partitions.ts'
import { writeAudit } from '../../data/write-audit.ts'
import { askForExport } from '../ask-for-export.ts'
import { ApiError, invalidField, notFound } from '../problem.ts'
import { changeRoute } from '../route.ts'

/** As ingest takes readings: no clock is right to the second. */
const AHEAD_MS = 5 * 60_000

export const route = changeRoute({
  method: 'POST',
  path: '/v1/exports',
  operationId: 'createExport',
  summary: 'Asks for a file of the readings of some tags of a machine; ask for it until it is ready',
  body: CreateExport,
  answer: { status: 202, schema: Export },
  async handle({ body, user, requestId, newId: exportId, transaction, services, afterCommit }) {
    const { tenantId, userId, plantAccess } = user
    checkRange(body)
    const machine = await findMachine(transaction, tenantId, plantAccess, body.machineId)
    if (machine === undefined) throw notFound()
    const known = Object.keys(machine.state?.values ?? {})
    const unknown = body.tags.findIndex((tag) => !known.includes(tag))
    if (unknown >= 0) throw invalidField(`tags.${unknown}`, `${machine.slug} has never sent ${body.tags[unknown]}`)
    if (!(await createExport(transaction, { tenantId, userId }, exportId, body, MAX_UNFINISHED_EXPORTS)))
      throw new ApiError(
        'conflict',
        `${MAX_UNFINISHED_EXPORTS} of your exports are not finished yet. Ask again when one of them is.`,
      )
    const { plantId, slug: subject } = machine
    const after = { tags: body.tags, from: body.from, to: body.to, format: body.format }
    await writeAudit(transaction, { tenantId, userId, requestId, plantId, action: 'export.create', subject, after })
    afterCommit(() => askForExport(services, { tenantId, exportId }))
    return (await findExport(transaction, tenantId, plantAccess, exportId))!
  },
})

function checkRange({ from, to, tags }: CreateExport): void {
  const now = Date.now()
  if (from >= to) throw invalidField('to', 'must be after from')
  if (from > now) throw invalidField('from', 'is in the future: there are no readings yet')
  if (to > now + AHEAD_MS) throw invalidField('to', 'is in the future: there are no readings yet')
  const days = (to - from) / DAY_MS
  if (days > MAX_EXPORT_DAYS)
    throw invalidField('from', `must be at most ${MAX_EXPORT_DAYS} days before to: ask for longer times in parts`)
  if (days * tags.length > MAX_EXPORT_TAG_DAYS)
    throw invalidField(
      'tags',
      `${tags.length} tags over ${Math.ceil(days)} days are too much for one file: tags times days may be ${MAX_EXPORT_TAG_DAYS}`,
    )
}
