import { metrics, metricsOf } from '../runtime/frame.ts'
import type { AddressedReading } from './address-readings.ts'
import type { StoreResult } from './store-readings.ts'

/** A reading that reached the broker later than this after it was taken had waited in a gateway's outbox. */
const LATE_AFTER_MS = 60_000

/** Metrics of what was stored. Latency: from the broker's clock to after the commit, of the slowest reading. */
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
  const oldest = fresh.reduce((earliest, { receivedAt }) => Math.min(earliest, receivedAt), now)
  if (fresh.length > 0) metrics.addMetric('IngestLatency', 'Milliseconds', now - oldest)
}

const byTenant = (readings: AddressedReading[]) => Map.groupBy(readings, (reading) => reading.tenant)
