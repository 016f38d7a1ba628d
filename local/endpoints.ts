/** `.local/endpoints.json`: where everything answers. A contract: other programs probe the system by these keys. */
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { Role } from '../schemas/permissions.ts'
import { Slug, ThingName } from '../schemas/slugs.ts'

const Port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535))
const Url = v.pipe(v.string(), v.url())

export const Endpoints = v.strictObject({
  version: v.literal(1),
  web: v.strictObject({ url: Url }),
  api: v.strictObject({ url: Url }),
  realtime: v.strictObject({ url: Url }),
  mqtt: v.strictObject({ host: v.string(), port: Port, caFile: v.string() }),
  postgres: v.strictObject({ url: Url }),
  redis: v.strictObject({ url: Url }),
  sqs: v.strictObject({
    url: Url,
    region: v.string(),
    queues: v.strictObject({
      telemetry: Url,
      telemetryDeadLetters: Url,
      lateTelemetry: Url,
      status: Url,
      statusDeadLetters: Url,
      fanOut: Url,
      ruleErrors: Url,
    }),
  }),
  /** Only the buckets that a template has. */
  s3: v.strictObject({
    url: Url,
    buckets: v.strictObject({ archive: v.optional(v.string()), exports: v.optional(v.string()) }),
  }),
  firebase: v.strictObject({ emulatorHost: v.string(), projectId: v.string(), apiKey: v.string() }),
  users: v.array(
    v.strictObject({
      tenant: Slug,
      email: v.string(),
      password: v.string(),
      role: Role,
      /** Slugs here, because a person reads them; the API gives ids. */
      plantAccess: v.union([v.literal('all'), v.array(Slug)]),
    }),
  ),
  gateways: v.array(
    v.strictObject({
      thingName: ThingName,
      tenant: Slug,
      province: Slug,
      plant: Slug,
      certFile: v.string(),
      keyFile: v.string(),
      pid: v.number(),
      configFile: v.string(),
      machines: v.array(Slug),
    }),
  ),
  plcs: v.array(v.strictObject({ protocol: v.literal('modbus-tcp'), host: v.string(), port: Port })),
  metrics: v.strictObject({ url: Url }),
  /** The page with the same figures, for people. */
  status: v.strictObject({ url: Url }),
  iot: v.strictObject({ url: Url }),
  lambda: v.strictObject({ url: Url }),
  secrets: v.strictObject({ url: Url }),
})
export type Endpoints = v.InferOutput<typeof Endpoints>

export function writeEndpoints(folder: string, endpoints: Endpoints): void {
  const file = join(folder, 'endpoints.json')
  writeFileSync(`${file}.new`, `${JSON.stringify(v.parse(Endpoints, endpoints), null, 2)}\n`)
  renameSync(`${file}.new`, file)
}
