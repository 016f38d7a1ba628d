/** `npm start`: the whole system on this machine, until Ctrl-C. */
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { startLocalCloud } from './cloud.ts'
import type { Endpoints } from './endpoints.ts'
import { forget } from './forget.ts'
import { Lifetime } from './lifetime.ts'
import { AlreadyRunning } from './lock.ts'

const USAGE = `usage: npm start -- [--port N] [--fresh] [--no-demo]

  --port N    port of the web page (8080 when free, else another)
  --fresh     begin anew: all data of the local system is deleted
  --no-demo   without PLCs and gateways; tenants, plants and users are there`

const ROOT_DIR = join(import.meta.dirname, '../.local')

interface Flags {
  port: number | undefined
  fresh: boolean
  demo: boolean
}

function flags(args: string[]): Flags {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      port: { type: 'string' },
      fresh: { type: 'boolean', default: false },
      demo: { type: 'boolean', default: true },
    },
  })
  const port = values.port === undefined ? undefined : Number(values.port)
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65536))
    throw new Error(`--port ${values.port!}: must be 1 to 65535`)
  return { port, fresh: values.fresh, demo: values.demo }
}

function table({
  web,
  api,
  realtime,
  mqtt,
  postgres,
  redis,
  sqs,
  status,
  metrics,
  users,
  gateways,
}: Endpoints): string {
  const rows = [
    ['web page', web.url],
    ['HTTP API', `${api.url}/v1`],
    ['live socket', realtime.url],
    ['MQTT (mutual TLS)', `${mqtt.host}:${mqtt.port}, CA ${mqtt.caFile}`],
    ['Postgres', postgres.url],
    ['Redis', redis.url],
    ['SQS', sqs.url],
    ['status and alarms', status.url],
    ['metrics', metrics.url],
    ['logs', relative(process.cwd(), join(ROOT_DIR, 'logs'))],
    ...users.map(({ email, password, role, tenant, plantAccess }) => [
      `sign in: ${role}`,
      `${email}  ${password}  (${tenant}, ${plantAccess === 'all' ? 'all plants' : plantAccess.join(', ')})`,
    ]),
    ...gateways.map(({ thingName, pid, plant, machines }) => [
      'gateway',
      `${thingName}  pid ${pid}  (${plant}, ${machines.length} machines)`,
    ]),
  ] as [string, string][]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n')
}

async function main({ port, fresh, demo }: Flags): Promise<void> {
  const began = performance.now()
  const lifetime = new Lifetime()
  const stopping = new AbortController()
  const stop = (signal: string) => {
    stopping.abort()
    console.log(`\n${signal}: stopping`)
    lifetime.end().then(() => process.exit(0), fail)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop(signal))
  await forget(ROOT_DIR, fresh)
  console.log('Starting the local cloud')
  try {
    const { endpoints } = await startLocalCloud({ rootDir: ROOT_DIR, demo, webPort: port, lifetime, say: console.log })
    console.log(
      `\nReady after ${((performance.now() - began) / 1000).toFixed(1)} s. Ctrl-C stops it.\n\n${table(endpoints)}\n`,
    )
  } catch (error) {
    // Stopped while it was starting: what broke off is no error, and the signal's handler ends the process.
    if (!stopping.signal.aborted) throw error
  }
}

function fail(error: unknown): void {
  if (error instanceof AlreadyRunning) console.error(error.message)
  else console.error(error)
  process.exit(1)
}

let chosen: Flags
try {
  chosen = flags(process.argv.slice(2))
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`)
  process.exit(2)
}
main(chosen).catch(fail)
