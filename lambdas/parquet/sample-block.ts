import type { Quality, Scalar } from '../../schemas/telemetry.ts'
import type { SampleKind } from './sample-schema.ts'

/** A message as Postgres has it, with the names of its machine. */
export interface Message {
  plant: string
  machine: string
  machineId: string
  ts: number
  seq: number
  receivedAt: number
  values: Record<string, Scalar>
  quality: Record<string, Quality> | null
}

/** Columns of samples, each of the same length. Times are epoch ms. */
export interface SampleColumns {
  plant: string[]
  machine: string[]
  machine_id: string[]
  tag: string[]
  ts: BigInt64Array
  seq: BigInt64Array
  received_at: BigInt64Array
  kind: SampleKind[]
  value: (number | null)[]
  text: (string | null)[]
  quality: string[]
}

/** Samples of a row group: enough for zstd to find what repeats, few enough for 512 MB. */
export const BLOCK_SAMPLES = 150_000

/** Gathers messages, which come by machine and time, into the columns of one row group. */
export class SampleBlock {
  readonly #machines: Message[][] = []
  #samples = 0

  get samples(): number {
    return this.#samples
  }

  get isFull(): boolean {
    return this.#samples >= BLOCK_SAMPLES
  }

  add(message: Message): void {
    this.#samples += Object.keys(message.values).length
    const last = this.#machines.at(-1)
    if (last?.[0]!.machineId === message.machineId) last.push(message)
    else this.#machines.push([message])
  }

  /** In the order of the archive, and empties itself. */
  take(): SampleColumns {
    const columns = emptyColumns(this.#samples)
    let row = 0
    for (const messages of this.#machines) {
      for (const tag of tagsOf(messages)) {
        for (const message of messages) if (Object.hasOwn(message.values, tag)) setRow(columns, row++, message, tag)
      }
    }
    this.#machines.length = 0
    this.#samples = 0
    return columns
  }
}

function tagsOf(messages: Message[]): string[] {
  const tags = new Set<string>()
  for (const { values } of messages) for (const tag in values) tags.add(tag)
  return [...tags].sort()
}

const emptyColumns = (rows: number): SampleColumns => ({
  ...{ plant: new Array<string>(rows), machine: new Array<string>(rows), machine_id: new Array<string>(rows) },
  ...{ tag: new Array<string>(rows), kind: new Array<SampleKind>(rows), quality: new Array<string>(rows) },
  ...{ value: new Array<number | null>(rows), text: new Array<string | null>(rows) },
  ...{ ts: new BigInt64Array(rows), seq: new BigInt64Array(rows), received_at: new BigInt64Array(rows) },
})

function setRow(columns: SampleColumns, row: number, message: Message, tag: string): void {
  const value = message.values[tag] as Scalar
  columns.plant[row] = message.plant
  columns.machine[row] = message.machine
  columns.machine_id[row] = message.machineId
  columns.tag[row] = tag
  columns.ts[row] = BigInt(message.ts)
  columns.seq[row] = BigInt(message.seq)
  columns.received_at[row] = BigInt(message.receivedAt)
  columns.kind[row] = value === null ? 'null' : (typeof value as SampleKind)
  columns.value[row] = value === null || typeof value === 'string' ? null : Number(value)
  columns.text[row] = typeof value === 'string' ? value : null
  const { quality } = message
  columns.quality[row] = quality !== null && Object.hasOwn(quality, tag) ? quality[tag]! : 'good'
}
