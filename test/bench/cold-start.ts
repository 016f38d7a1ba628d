/**
 * Each bundle in a new process of Node: from the import of its module to its first answer, which has been to Postgres, Redis or
 * Firebase where the function's work begins with that. Schema and data are there already; files are warm in the system's cache.
 */
import { execFile } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'

import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'

import { buildBundle, REPOSITORY } from '../../cdk/constructs/bundle.ts'
import { claims, PROJECT, unsignedToken } from '../helpers/firebase-tokens.ts'
import { startFirebase } from '../helpers/firebase-server.ts'
import { serveJson } from '../helpers/http-server.ts'
import { type Figure, median } from './figure.ts'
import { QUEUES, startIngestSystem } from './ingest-system.ts'

const RUNS = 7
const AT_MOST_MS = 400

const LOADER = `
const begin = performance.now()
const { handler } = await import(process.argv[2] + '/index.mjs')
const imported = performance.now()
await handler(JSON.parse(process.argv[3]), { awsRequestId: 'bench', functionName: 'bench', getRemainingTimeInMillis: () => 30000 })
console.log('\\n#' + JSON.stringify({ importMs: imported - begin, answerMs: performance.now() - begin }))
process.exit()`

interface Start {
  importMs: number
  answerMs: number
}

/** What the function is first asked, and its role. */
const FIRST: Record<string, { role?: string; event: object }> = {
  api: { role: 'iot_api', event: apiRequest('/v1/me') },
  authorizer: {
    event: {
      headers: { authorization: `Bearer ${unsignedToken(claims('bench'))}` },
      requestContext: { requestId: 'bench' },
    },
  },
  'live-socket': {
    role: 'iot_api',
    event: {
      requestContext: { routeKey: '$connect', connectionId: 'bench', requestId: 'bench' },
      queryStringParameters: { ticket: 'none' },
    },
  },
  admin: { role: 'iot_admin', event: { command: 'tenant list' } },
  ingest: { role: 'iot_ingest', event: { Records: [] } },
  status: { role: 'iot_ingest', event: { Records: [] } },
  'fan-out': { event: { Records: [] } },
  quarantine: { role: 'iot_quarantine', event: { Records: [deadLetter()] } },
  redrive: { role: 'iot_quarantine', event: {} },
  archive: { role: 'iot_archive', event: {} },
  exports: { role: 'iot_exports', event: { Records: [] } },
  rollup: { role: 'iot_rollup', event: {} },
  'presence-sweep': { role: 'iot_ingest', event: {} },
  'alarm-sweep': { role: 'iot_ingest', event: {} },
  'alarm-delivery': { role: 'iot_alarms', event: { Records: [] } },
  'reconcile-gateways': { role: 'iot_gateways', event: {} },
  migrate: { event: {} },
  partitions: { event: {} },
}

export async function benchColdStart(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-cold-'))
  const loader = join(folder, 'load.mjs')
  writeFileSync(loader, LOADER)
  const system = await startIngestSystem()
  const firebase = await startFirebase()
  const { host, port, user, password, database } = system.client
  const secrets = await serveJson(() => ({
    body: { SecretString: JSON.stringify({ host, port, username: user, password, dbname: database }) },
  }))
  const sqs = await serveJson(() => ({ body: {} }))
  const awsIot = await serveJson(() => ({ body: { things: [], certificates: [], policies: [] } }))
  try {
    await system.client.query(
      `insert into users (id, tenant_id, firebase_uid, email, role, all_plants, created_at, updated_at)
       select gen_random_uuid(), id, 'bench', 'bench@example.com', 'admin', true, 0, 0 from tenants`,
    )
    firebase.local.create('bench@example.com', {}, 'bench')
    const anyUrl = `http://${sqs.host}:${sqs.port}/000000000000/queue`
    const environment = {
      ...system.environment,
      ...Object.fromEntries(QUEUES.map((name) => [name, anyUrl])),
      FIREBASE_PROJECT_ID: PROJECT,
      FIREBASE_AUTH_EMULATOR_HOST: firebase.host,
      ...{ DATABASE_SECRET_ARN: 'arn', LOCAL_ROLE_PASSWORD: system.environment['PGPASSWORD'] },
      AWS_ENDPOINT_URL_IOT: `http://${awsIot.host}:${awsIot.port}`,
      AWS_ENDPOINT_URL_IOT_DATA_PLANE: `http://${awsIot.host}:${awsIot.port}`,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: `http://${secrets.host}:${secrets.port}`,
      ...{ AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' },
    }
    const figures: Figure[] = []
    for (const path of globSync('lambdas/*/*.lambda.ts', { cwd: REPOSITORY }).sort()) {
      const name = basename(dirname(path))
      const first = FIRST[name]
      if (first === undefined) throw new Error(`say in FIRST of this bench what lambdas/${name} is first asked`)
      const bundle = join(folder, name)
      buildBundle(name, bundle)
      const starts: Start[] = []
      for (let run = 0; run < RUNS; run++) {
        const env = { ...environment, ...(first.role !== undefined && { PGUSER: first.role }) }
        const { stdout } = await promisify(execFile)(process.execPath, [loader, bundle, JSON.stringify(first.event)], {
          env,
        })
        starts.push(JSON.parse(stdout.split('\n#').at(-1)!) as Start)
      }
      const answerMs = median(starts.map((start) => start.answerMs))
      const file = join(bundle, 'index.mjs')
      const kb = (bytes: number) => `${(bytes / 1024).toFixed(0)} KB`
      figures.push({
        what: `cold start of ${name}, median of ${RUNS}`,
        measured:
          `${answerMs.toFixed(0)} ms to the first answer, ${median(starts.map((start) => start.importMs)).toFixed(0)} ms of it the import; ` +
          `bundle ${kb(statSync(file).size)}, ${kb(gzipSync(readFileSync(file)).length)} gzip`,
        toReach: `at most ${AT_MOST_MS} ms`,
        reached: answerMs <= AT_MOST_MS,
      })
    }
    return figures
  } finally {
    await secrets.close()
    await sqs.close()
    await awsIot.close()
    await firebase.close()
    await system.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function apiRequest(path: string): object {
  return {
    ...{ version: '2.0', routeKey: 'ANY /v1/{proxy+}', rawPath: path, rawQueryString: '', headers: {} },
    isBase64Encoded: false,
    requestContext: {
      http: { method: 'GET', path, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'bench' },
      requestId: 'bench',
      authorizer: { lambda: { uid: 'bench', authTime: Math.floor(Date.now() / 1000) } },
    },
  }
}

function deadLetter(): object {
  return {
    ...{ messageId: 'bench', body: 'no envelope', attributes: {}, messageAttributes: {} },
    eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:queue',
  }
}
