import type { Units } from '../../schemas/telemetry.ts'
import { csv } from '../runtime/csv.ts'
import type { SampleColumns } from '../parquet/sample-block.ts'

/** Spreadsheets take a file for UTF-8 only with the mark. */
const BYTE_ORDER_MARK = '\ufeff'

export const CSV_HEAD = `${BYTE_ORDER_MARK}${csv([['time', 'plant', 'machine', 'tag', 'value', 'unit', 'quality']])}`

/** Lines by time, and by tag where times are equal. Times are UTC. A tag that could not be read has no value. */
export function csvOf(samples: SampleColumns, units: Units): string {
  const times = Array.from(samples.ts, Number)
  const { plant, machine, tag, quality } = samples
  // They stand by tag, and a sort keeps the order of what is equal.
  const order = [...times.keys()].sort((a, b) => times[a]! - times[b]!)
  let [at, time] = [Number.NaN, '']
  return csv(
    order.map((row) => {
      if (times[row] !== at) {
        at = times[row]!
        time = new Date(at).toISOString()
      }
      const name = tag[row]!
      return [time, plant[row]!, machine[row]!, name, valueOf(samples, row), units[name] ?? null, quality[row]!]
    }),
  )
}

function valueOf({ kind, value, text }: SampleColumns, row: number): string | null {
  if (kind[row] === 'boolean') return value[row] === 1 ? 'true' : 'false'
  return kind[row] === 'number' ? String(value[row]) : text[row]!
}
