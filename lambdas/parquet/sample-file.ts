import { zstdCompressSync } from 'node:zlib'
import { fileWriter, ParquetWriter } from 'hyparquet-writer'
import type { SampleColumns } from './sample-block.ts'
import { COLUMN_NAMES, ENCODINGS, SAMPLE_SCHEMA } from './sample-schema.ts'

/** A row group's column is one page: what repeats is far apart, and zstd looks within a page only. */
const ONE_PAGE = 2 ** 30

/** Whole texts as bounds, so that a reader skips the row groups of other machines. */
const NEVER_TRUNCATED = 256

/** A Parquet file of samples on the disk, a row group at a time. */
export class SampleFile {
  readonly path: string
  readonly #writer: ReturnType<typeof fileWriter>
  readonly #parquet: ParquetWriter
  samples = 0

  constructor(path: string) {
    this.path = path
    this.#writer = fileWriter(path)
    this.#parquet = new ParquetWriter({
      writer: this.#writer,
      schema: SAMPLE_SCHEMA,
      codec: 'ZSTD',
      compressors: { ZSTD: (bytes) => zstdCompressSync(bytes) },
      statisticsTruncateLength: NEVER_TRUNCATED,
    })
  }

  get bytes(): number {
    return this.#writer.offset
  }

  async write(columns: SampleColumns): Promise<void> {
    const rows = columns.ts.length
    if (rows === 0) return
    await this.#parquet.write({
      columnData: COLUMN_NAMES.map((name) => ({
        name,
        data: columns[name],
        ...(name in ENCODINGS && { encoding: ENCODINGS[name as keyof typeof ENCODINGS] }),
      })),
      rowGroupSize: rows,
      pageSize: ONE_PAGE,
    })
    this.samples += rows
  }

  async close(): Promise<void> {
    await this.#parquet.finish()
  }
}
