import type { Reading } from './read-telemetry.ts'

type Traced = Pick<Reading, 'traceId' | 'tenant' | 'plant' | 'machine' | 'seq' | 'timestamp' | 'receivedAt'>

/**
 * Readings as the log tells of them, by the trace id that the IoT rule gave each: `tenant/plant/machine#seq@taken+delay`, with the
 * time at which the gateway took it (epoch ms) and the ms until the broker had it. Short, because each reading is logged once.
 */
export const tracesOf = (readings: Traced[]): Record<string, string> =>
  Object.fromEntries(
    readings.map(({ traceId, tenant, plant, machine, seq, timestamp, receivedAt }) => [
      traceId,
      `${tenant}/${plant}/${machine}#${String(seq)}@${String(timestamp)}+${String(receivedAt - timestamp)}`,
    ]),
  )
