/** Writes the tables of an export, each as CSV and as Parquet, a page at a time: memory holds one page, whatever the size. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { finished } from 'node:stream/promises'
import { gunzipSync } from 'node:zlib'
import { fileWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer'
import type { AdminAnswer, AdminCommand, ExportedTable } from '../../schemas/admin.ts'
import { csv } from '../runtime/csv.ts'

type Ask = (command: AdminCommand) => Promise<AdminAnswer>
type Row = Record<string, unknown>

/** Tells each table when it is whole. Throws when the function refuses. */
export async function exportFiles(slug: string, folder: string, ask: Ask, tell: (line: string) => void): Promise<void> {
  const answer = await ask({ command: 'tenant export', slug })
  if (answer.status !== 'tables') throw new Error(answer.message)
  mkdirSync(folder, { recursive: true })
  for (const table of answer.tables) {
    const files = openTable(folder, table)
    let count = 0
    let cursor: string | undefined
    do {
      const page = await ask({
        command: 'tenant export',
        slug,
        table: table.name,
        ...(cursor !== undefined && { cursor }),
      })
      if (page.status !== 'rows') throw new Error(page.message)
      const lines = page.rows === '' ? '' : gunzipSync(Buffer.from(page.rows, 'base64')).toString('utf8')
      await files.write(lines.split('\n').flatMap((line): Row[] => (line === '' ? [] : [JSON.parse(line) as Row])))
      count += page.count
      cursor = page.cursor
    } while (cursor !== undefined)
    await files.close()
    tell(`${table.name}: ${count} rows`)
  }
  await exportArchive(slug, join(folder, 'archive'), ask, tell)
}

/** The files of the archive as they are. Throws when one is not what the manifest says. */
async function exportArchive(slug: string, folder: string, ask: Ask, tell: (line: string) => void): Promise<void> {
  let count = 0
  let cursor: string | undefined
  do {
    const page = await ask({ command: 'tenant archive', slug, ...(cursor !== undefined && { cursor }) })
    if (page.status !== 'files') throw new Error(page.message)
    for (const { path, url, sha256 } of page.files) {
      const answer = await fetch(url)
      if (!answer.ok) throw new Error(`archive/${path}: S3 answers ${answer.status}`)
      const bytes = Buffer.from(await answer.arrayBuffer())
      if (createHash('sha256').update(bytes).digest('hex') !== sha256)
        throw new Error(`archive/${path} is not what was archived: see the runbook, "Archive: verification failed"`)
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), bytes)
      count += 1
    }
    cursor = page.cursor
  } while (cursor !== undefined)
  tell(`archive: ${count} files`)
}

function openTable(folder: string, { name, columns }: ExportedTable) {
  const text = createWriteStream(join(folder, `${name}.csv`))
  const parquet = new ParquetWriter({ writer: fileWriter(join(folder, `${name}.parquet`)), schema: schemaOf(columns) })
  text.write(csv([columns.map((column) => column.name)]))
  return {
    async write(rows: Row[]) {
      if (rows.length === 0) return
      const lines = csv(rows.map((row) => columns.map((column) => textOf(row[column.name]))))
      if (!text.write(lines)) await once(text, 'drain')
      await parquet.write({
        columnData: columns.map(({ name: column, type }) => ({
          name: column,
          data: rows.map((row) => valueOf(row[column], type)),
        })),
        rowGroupSize: rows.length,
      })
    },
    async close() {
      text.end()
      await finished(text)
      await parquet.finish()
    },
  }
}

function schemaOf(columns: ExportedTable['columns']): SchemaElement[] {
  return [
    { name: 'root', num_children: columns.length },
    ...columns.map(({ name, type }): SchemaElement => ({
      name,
      repetition_type: 'OPTIONAL',
      ...(PARQUET[type] ?? TEXT),
    })),
  ]
}

const TEXT: Partial<SchemaElement> = { type: 'BYTE_ARRAY', converted_type: 'UTF8' }

/** Types of Postgres that Parquet has as well; all others are texts as Postgres writes them, jsonb and arrays as JSON. */
const PARQUET: Record<string, Partial<SchemaElement>> = {
  bigint: { type: 'INT64' },
  integer: { type: 'INT32' },
  'double precision': { type: 'DOUBLE' },
  boolean: { type: 'BOOLEAN' },
}

function valueOf(value: unknown, type: string): unknown {
  if (value === null || value === undefined) return null
  if (type === 'bigint') return BigInt(value as number)
  return type in PARQUET ? value : textOf(value)
}

const textOf = (value: unknown): string | null => {
  if (value === null || value === undefined) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}
