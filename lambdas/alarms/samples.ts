import type { MachineState } from '../../schemas/live.ts'
import type { Sample } from './judge.ts'

/** The newest value of each tag, with the time of the reading that gave it. */
export const samplesOf = ({
  timestamp,
  values,
  quality,
  olderTags,
}: Pick<MachineState, 'timestamp' | 'values' | 'quality'> & {
  olderTags: Record<string, [number, number]> | null
}): Map<string, Sample> =>
  new Map(
    Object.entries(values)
      .map(([tag, value]): [string, Sample] => [
        tag,
        { at: olderTags?.[tag]?.[0] ?? timestamp, value, quality: quality?.[tag] },
      ])
      .filter(([, { value, quality: its }]) => value !== null && its !== 'bad'),
  )
