import { metrics, metricsOf } from '../runtime/frame.ts'
import type { AddressedReading } from './address-readings.ts'
import type { StoreResult } from './store-readings.ts'

/** A reading that reached the broker later than this after it was taken had waited in a gateway's outbox. */
const LATE_AFTER_MS = 60_000

/** Metrics of what was stored. Latency: from the broker's clock to after the commit, one value per reading. */
export function countReadings({ fresh, duplicates }: Pick<StoreResult, 'fresh' | 'duplicates'>): void {
  const now = Date.now()
  for (const [tenant, readings] of byTenant(fresh)) {
    metricsOf(tenant).addMetric('MessagesStored', 'Count', readings.length)
  }
  for (const [tenant, readings] of byTenant(duplicates)) {
    metricsOf(tenant).addMetric('DuplicateMessages', 'Count', readings.length)
  }
  const late = fresh.filter((reading) => reading.receivedAt - reading.timestamp > LATE_AFTER_MS)
  if (late.length > 0) metrics.addMetric('LateMessages', 'Count', late.length)
  for (const { receivedAt } of fresh) metrics.addMetric('IngestLatency', 'Milliseconds', Math.max(0, now - receivedAt))
}

const byTenant = (readings: AddressedReading[]) => Map.groupBy(readings, (reading) => reading.tenant)
