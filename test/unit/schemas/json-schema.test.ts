import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '../../..')
const committed = join(root, 'schemas/json')
const read = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder).map((file) => [file, JSON.parse(readFileSync(join(folder, file), 'utf8')) as unknown]),
  )

it('the JSON Schemas in the repository are what `npm run schemas` writes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'schemas-'))
  try {
    for (const script of ['schemas/export-json-schema.ts', 'gateway-agent/export-configuration-schema.ts']) {
      execFileSync(process.execPath, [join(root, script), folder])
    }
    expect(read(committed)).toEqual(read(folder))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
