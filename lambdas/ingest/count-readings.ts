import { metrics, metricsOf } from '../runtime/frame.ts'
import type { StoreResult } from './store-readings.ts'

/** A reading that reached the broker later than this after it was taken had waited in a gateway's outbox. */
const LATE_AFTER_MS = 60_000

/** Metrics of a batch. Latency: from the broker's clock until the slowest reading was stored and announced. */
export function countReadings(parts: Pick<StoreResult, 'fresh' | 'duplicates'>[]): void {
  const now = Date.now()
  const fresh = parts.flatMap((part) => part.fresh)
  const duplicates = parts.flatMap((part) => part.duplicates)
  for (const [name, readings] of [['MessagesStored', fresh] as const, ['DuplicateMessages', duplicates] as const]) {
    for (const [tenant, ofTenant] of Map.groupBy(readings, (reading) => reading.tenant)) {
      metricsOf(tenant).addMetric(name, 'Count', ofTenant.length)
    }
  }
  const late = fresh.filter((reading) => reading.receivedAt - reading.timestamp > LATE_AFTER_MS)
  if (late.length > 0) metrics.addMetric('LateMessages', 'Count', late.length)
  const oldest = fresh.reduce((earliest, { receivedAt }) => Math.min(earliest, receivedAt), now)
  if (fresh.length > 0) metrics.addMetric('IngestLatency', 'Milliseconds', now - oldest)
}
