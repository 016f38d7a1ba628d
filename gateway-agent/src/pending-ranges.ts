import { MAX_PENDING_RANGES } from '../../schemas/status.ts'

type Range = [from: number, to: number]

/** Above this many messages the ranges are coarse: a heartbeat must not read a gigabyte. */
export const MOST_LISTED_MESSAGES = 2000

/**
 * What the outbox still holds of each machine, for the heartbeat's `pending`: never less than it holds. `oldest` are its
 * oldest messages, at most MOST_LISTED_MESSAGES; when there are more, a machine's range goes on up to its last seq.
 */
export function pendingRanges(
  machines: readonly { slug: string; first: number; last: number }[],
  oldest: readonly { machine: string; seq: number }[],
  count: number,
): Map<string, Range[]> {
  const ofMachine = new Map<string, Range[]>()
  const firstOf = new Map(machines.map(({ slug, first }) => [slug, first]))
  for (const { machine, seq } of oldest) {
    // Of a gateway that was moved: declared for a machine of another plant.
    if (seq < (firstOf.get(machine) ?? Infinity)) continue
    const ranges = ofMachine.get(machine) ?? []
    const newest = ranges.at(-1)
    // A machine's seqs grow with the ids.
    if (newest?.[1] === seq - 1) newest[1] = seq
    else ranges.push([seq, seq])
    ofMachine.set(machine, ranges)
  }
  if (count > oldest.length) {
    return new Map(machines.map(({ slug, first, last }) => [slug, [[ofMachine.get(slug)?.[0]?.[0] ?? first, last]]]))
  }
  return new Map(machines.map(({ slug }) => [slug, withoutOldGaps(ofMachine.get(slug) ?? [])]))
}

/** At most MAX_PENDING_RANGES: the oldest ones become one, with the gaps between them. */
function withoutOldGaps(ranges: Range[]): Range[] {
  const surplus = ranges.length - MAX_PENDING_RANGES
  if (surplus <= 0) return ranges
  return [[ranges[0]![0], ranges[surplus]![1]], ...ranges.slice(surplus + 1)]
}
