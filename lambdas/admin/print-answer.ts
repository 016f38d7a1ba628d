import type { AdminAnswer, GatewaySummary, TenantSummary } from '../../schemas/admin.ts'
import type { DeadLetter } from '../../schemas/api.ts'
import { sizeOf } from './ask.ts'
import { costLines } from './tenant-costs.ts'

/** What the command line prints of an answer. */
export function linesOf(answer: AdminAnswer): string[] {
  switch (answer.status) {
    case 'invited':
      return [answer.message, answer.link]
    case 'created':
    case 'exists':
      return [`${answer.message} (${answer.id})`]
    case 'listed':
      return [...answer.items.map(deadLetterLine), answer.message]
    case 'tenants':
      return [...answer.items.map(tenantLine), answer.message]
    case 'usage':
      return costLines(answer.items)
    case 'gateways':
      return [...answer.items.map(gatewayLine), answer.message]
    case 'deleted':
      return [...Object.entries(answer.counts).map(([what, count]) => `${count} in ${what}`), answer.message]
    default:
      return [answer.message]
  }
}

function tenantLine(tenant: TenantSummary): string {
  const { deletingAt, disabledAt } = tenant
  const state = deletingAt !== null ? 'being deleted' : disabledAt !== null ? `disabled ${time(disabledAt)}` : 'enabled'
  return [tenant.slug, state, `since ${time(tenant.createdAt)}`, sizeOf(tenant)].join('  ')
}

function gatewayLine({
  thingName,
  tenant,
  province,
  plant,
  lifecycle,
  connection,
  lastSeenAt,
}: GatewaySummary): string {
  const seen = lastSeenAt === null ? 'never heard' : `heard ${time(lastSeenAt)}`
  return [thingName, `${tenant}/${province}/${plant}`, lifecycle, connection, seen].join('  ')
}

function deadLetterLine({ quarantinedAt, id, code, topic, thingName, message, text, hex }: DeadLetter): string {
  const content = text === null ? hex : JSON.stringify(text)
  return [time(quarantinedAt), id, code, topic ?? '-', thingName ?? '-', message, content].join('  ')
}

const time = (at: number) => new Date(at).toISOString()
