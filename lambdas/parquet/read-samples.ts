import { zstdDecompressSync } from 'node:zlib'
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetRead } from 'hyparquet'
import type { SampleColumns } from './sample-block.ts'
import { COLUMN_NAMES } from './sample-schema.ts'

const compressors = { ZSTD: (bytes: Uint8Array) => zstdDecompressSync(bytes) }

/** Times stay the epoch ms that they are stored as. */
const parsers = { timestampFromMilliseconds: (millis: bigint) => millis }

type Name = keyof SampleColumns

/** These columns of the row groups of a file, one after the other. */
async function* rowGroupsOf<Names extends Name>(
  file: AsyncBuffer,
  names: readonly Names[],
): AsyncGenerator<Pick<SampleColumns, Names>> {
  const metadata = await parquetMetadataAsync(file)
  let rowStart = 0
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows)
    yield await readRows(file, metadata, names, { rowStart, rowEnd })
    rowStart = rowEnd
  }
}

async function readRows<Names extends Name>(
  file: AsyncBuffer,
  metadata: FileMetaData,
  names: readonly Names[],
  rows: { rowStart: number; rowEnd: number },
): Promise<Pick<SampleColumns, Names>> {
  const columns: Record<string, unknown> = {}
  await parquetRead({
    ...{ file, metadata, columns: [...names], compressors, parsers, ...rows },
    onChunk({ columnName, columnData }) {
      if (columnName in columns) throw new Error(`the column ${columnName} of a row group is in parts`)
      columns[columnName] = columnData
    },
  })
  return columns as Pick<SampleColumns, Names>
}

export interface SamplesOf {
  machineId: string
  tags: ReadonlySet<string>
  /** Epoch ms; `to` is not included. */
  from: number
  to: number
}

/** These samples of a file, a row group at a time, in its order. Row groups of other machines are not read. */
export async function* samplesIn(file: AsyncBuffer, wanted: SamplesOf): AsyncGenerator<SampleColumns> {
  const metadata = await parquetMetadataAsync(file)
  let rowStart = 0
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows)
    if (mayHold(group, 'machine_id', wanted.machineId))
      yield chosen(await readRows(file, metadata, COLUMN_NAMES, { rowStart, rowEnd }), wanted)
    rowStart = rowEnd
  }
}

/** By the bounds that the writer has noted whole. */
function mayHold({ columns }: FileMetaData['row_groups'][0], name: Name, value: string): boolean {
  const { min_value: least, max_value: greatest } =
    columns.find(({ meta_data }) => meta_data?.path_in_schema[0] === name)?.meta_data?.statistics ?? {}
  return least === undefined || greatest === undefined || (String(least) <= value && value <= String(greatest))
}

function chosen(columns: SampleColumns, { machineId, tags, from, to }: SamplesOf): SampleColumns {
  const rows: number[] = []
  for (let row = 0; row < columns.ts.length; row += 1) {
    if (columns.machine_id[row] !== machineId || !tags.has(columns.tag[row]!)) continue
    const ts = Number(columns.ts[row])
    if (ts >= from && ts < to) rows.push(row)
  }
  const picked = Object.entries(columns).map(([name, data]: [string, ArrayLike<unknown>]) => {
    const values = rows.map((row) => data[row])
    return [name, data instanceof BigInt64Array ? BigInt64Array.from(values as bigint[]) : values]
  })
  return Object.fromEntries(picked) as SampleColumns
}

/** What is in a file, read row by row: a message is the samples of one machine and seq, which one row group holds all. */
export async function countSamples(bytes: Uint8Array): Promise<{ messages: number; samples: number }> {
  const counted = { messages: 0, samples: 0 }
  for await (const { machine_id, seq } of rowGroupsOf(bufferOf(bytes), ['machine_id', 'seq'])) {
    const seqs = new Map<string, Set<bigint>>()
    for (const [row, id] of machine_id.entries()) {
      let known = seqs.get(id)
      if (!known) seqs.set(id, (known = new Set()))
      known.add(seq[row]!)
    }
    counted.samples += machine_id.length
    for (const known of seqs.values()) counted.messages += known.size
  }
  return counted
}

const bufferOf = ({ buffer, byteOffset, byteLength }: Uint8Array): AsyncBuffer => ({
  byteLength,
  slice: (start, end = byteLength) => buffer.slice(byteOffset + start, byteOffset + end) as ArrayBuffer,
})
