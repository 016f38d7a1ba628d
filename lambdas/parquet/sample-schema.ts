/**
 * The table of the archive: one row per sample, which is one tag of one message. So SQL asks for a tag as for
 * anything else, and each column holds one thing, which compresses best.
 *
 * A row group holds machines one after the other, of each its tags by name, of each tag its samples by time: a long run
 * of values that are alike, and all tags of a machine repeat the same times, which zstd finds. A machine with more samples
 * than a row group may have is cut by time.
 */
import type { SchemaElement } from 'hyparquet'
import type { SampleColumns } from './sample-block.ts'

/** A number as it is, a boolean as 0 or 1 in `value`, a string in `text`; a tag that could not be read has neither. */
export type SampleKind = 'number' | 'boolean' | 'string' | 'null'

const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const
const time = { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' } as const
const always = { repetition_type: 'REQUIRED' } as const

/** cdk/constructs/archive-table.ts gives Athena the same columns; a test compares them. */
const columns: SchemaElement[] = [
  { name: 'plant', ...text, ...always },
  { name: 'machine', ...text, ...always },
  { name: 'machine_id', ...text, ...always },
  { name: 'tag', ...text, ...always },
  { name: 'ts', ...time, ...always },
  { name: 'seq', type: 'INT64', ...always },
  { name: 'received_at', ...time, ...always },
  { name: 'kind', ...text, ...always },
  { name: 'value', type: 'DOUBLE', repetition_type: 'OPTIONAL' },
  { name: 'text', ...text, repetition_type: 'OPTIONAL' },
  { name: 'quality', ...text, ...always },
]

export const SAMPLE_SCHEMA: SchemaElement[] = [{ name: 'samples', num_children: columns.length }, ...columns]

export const COLUMN_NAMES = columns.map(({ name }) => name as keyof SampleColumns)

/** Measured on noisy values: times and values are smallest as they are, left to zstd; seqs grow by one each. */
export const ENCODINGS = { ts: 'PLAIN', received_at: 'PLAIN', value: 'PLAIN', seq: 'DELTA_BINARY_PACKED' } as const
