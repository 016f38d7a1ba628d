/**
 * `npm run schemas`: writes JSON Schema (draft 2020-12) to schemas/json/ (or to the folder given) for people who write their own gateway, which
 * cannot import valibot. What JSON Schema cannot say (well-formed Unicode, for instance) stays with the valibot source.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toJsonSchema } from '@valibot/to-json-schema'
import type { GenericSchema } from 'valibot'
import { LiveClientMessage, LiveServerMessage } from './live.ts'
import { QueueEnvelope } from './queues.ts'
import { StatusV1 } from './status.ts'
import { TelemetryV1 } from './telemetry.ts'

const documents: Record<string, GenericSchema> = {
  'telemetry-v1': TelemetryV1,
  'status-v1': StatusV1,
  'queue-envelope': QueueEnvelope,
  'live-client-message': LiveClientMessage,
  'live-server-message': LiveServerMessage,
}

const folder = process.argv[2] ?? join(import.meta.dirname, 'json')
mkdirSync(folder, { recursive: true })
for (const [name, schema] of Object.entries(documents)) {
  const document = toJsonSchema(schema, { target: 'draft-2020-12', errorMode: 'ignore', typeMode: 'output' })
  const file = join(folder, `${name}.schema.json`)
  writeFileSync(file, `${JSON.stringify({ title: name, ...document }, null, 2)}\n`)
  console.log(file)
}
