import type { TelemetryV1 } from '../../schemas/telemetry.ts'

export interface StoredReading extends Pick<TelemetryV1, 'timestamp' | 'seq' | 'values' | 'quality'> {
  receivedAt: number
}

/** The row of machine_state that these readings of one machine must give, in whatever order they came: of each tag the newest. */
export function newestState(readings: StoredReading[]) {
  const inOrder = readings.toSorted((one, two) => one.timestamp - two.timestamp || one.seq - two.seq)
  const newest = inOrder.at(-1)!
  const tellers = new Map(inOrder.flatMap((one) => Object.keys(one.values).map((tag) => [tag, one] as const)))
  const told = [...tellers]
  const quality = told.flatMap(([tag, { quality }]) => (quality?.[tag] === undefined ? [] : [[tag, quality[tag]]]))
  const older = told.filter(([, one]) => one !== newest).map(([tag, one]) => [tag, [one.timestamp, one.seq]])
  return {
    ts: newest.timestamp,
    seq: newest.seq,
    received_at: newest.receivedAt,
    last_seen_at: readings.reduce((latest, { receivedAt }) => Math.max(latest, receivedAt), 0),
    values: Object.fromEntries(told.map(([tag, one]) => [tag, one.values[tag]])),
    quality: quality.length === 0 ? null : (Object.fromEntries(quality) as Record<string, unknown>),
    older_tags: older.length === 0 ? null : (Object.fromEntries(older) as Record<string, unknown>),
  }
}
