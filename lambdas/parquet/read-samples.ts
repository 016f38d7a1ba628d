import { zstdDecompressSync } from 'node:zlib'
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetRead } from 'hyparquet'
import type { SampleColumns } from './sample-block.ts'

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
