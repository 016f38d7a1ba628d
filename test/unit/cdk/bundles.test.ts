import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, it } from 'vitest'
import { houseFunctions, synthesizeInto } from './templates.ts'

const assembly = mkdtempSync(join(tmpdir(), 'cdk-bundles-'))
afterAll(() => rmSync(assembly, { recursive: true }))

const functions = houseFunctions(
  synthesizeInto(assembly, {
    'aws:cdk:bundling-stacks': ['Data', 'Archive', 'Exports', 'Alarms', 'Ingest', 'Live', 'Api'],
  }),
)
// Loaded from a file: `node -e` gives a module globals that it does not have in Lambda.
const loader = join(assembly, 'load.mjs')
writeFileSync(
  loader,
  `const { handler } = await import(process.argv[2] + '/index.mjs')
console.log(typeof handler)
process.exit()`,
)

/** A reference as Lambda would see it: what its name says, else any text. */
function resolved(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (name === 'REDIS_URL') return 'rediss://redis.example:6379'
  if (name === 'REALTIME_URL') return 'wss://live.example/live'
  if (name === 'PGPORT') return '5432'
  return name.includes('URL') ? 'https://service.example/path' : 'value'
}

it.each(Object.entries(functions))(
  '%s loads as an ES module, with no more environment than its template gives',
  { timeout: 30_000 },
  async (_, { metadata, properties }) => {
    const variables = Object.entries(properties.Environment?.Variables ?? {})
    const environment = Object.fromEntries(variables.map(([name, value]) => [name, resolved(name, value)]))
    const bundle = join(assembly, metadata['aws:asset:path'] ?? 'no bundle')
    const { stdout } = await promisify(execFile)(process.execPath, [loader, bundle], {
      env: { AWS_REGION: 'us-east-1', ...environment },
    })
    expect(stdout.trim()).toBe('function')
  },
)
