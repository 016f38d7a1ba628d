import type { TenantUsage } from '../../schemas/admin.ts'
import { costsOfUsage, HEARTBEAT_SEC, HOURS_PER_MONTH, totalOf } from '../../schemas/prices.ts'

const DAYS_PER_MONTH = HOURS_PER_MONTH / 24

/** What a tenant's own messages cost in a month like the days that were counted, in dollars; null when no day was whole yet. */
export function costOfTenant({ days, messages, samples, connectedMinutes }: TenantUsage): number | null {
  if (days === 0) return null
  const month = DAYS_PER_MONTH / days
  return totalOf(
    costsOfUsage({
      ...{ telemetryMessages: messages * month, samples: samples * month, connectedMinutes: connectedMinutes * month },
      heartbeats: ((connectedMinutes * 60) / HEARTBEAT_SEC) * month,
    }),
  )
}

/** A line for each tenant, and what the figures mean. */
export function costLines(tenants: TenantUsage[]): string[] {
  const perDay = ({ samples, days }: TenantUsage) => (days === 0 ? 0 : samples / days)
  const all = tenants.reduce((sum, one) => sum + perDay(one), 0)
  const lines = tenants.map((one) => {
    const cost = costOfTenant(one)
    if (cost === null) return `${one.slug}  no whole day is counted yet`
    const { days, messages, samples, connectedMinutes } = one
    const share = all === 0 ? 0 : (100 * perDay(one)) / all
    const gateways = connectedMinutes / (days * 24 * 60)
    return [
      one.slug,
      `$${cost.toFixed(2)} a month`,
      `${share.toFixed(1)} % of all samples`,
      `${messages} messages, ${samples} samples in ${days} days`,
      `${gateways.toFixed(1)} gateways connected`,
    ].join('  ')
  })
  return [
    ...lines,
    'Connections, messages, rules, queues and archive of each, at list prices (schemas/prices.ts), from what was stored. Database, consumers, Redis and network are for',
    'all: npm run plan counts them, and the share of samples divides them best.',
  ]
}
