/** The local cloud as a whole. `startLocalCloud` is what `npm start` and the system tests call. */
import { rmSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { startAwsApis, startFirebaseAuth, startProductApis } from './apis.ts'
import { readTriggers } from './assembly/read-consumers.ts'
import { REGION } from './aws-identity.ts'
import { choosePorts, type CloudPorts } from './cloud-ports.ts'
import { startCloudWatch, startEventSources, startIotBroker, startSchedules } from './consumers.ts'
import { startDemo, startTenants } from './demo/demo.ts'
import { deploy, type Deployment } from './deployment.ts'
import { type Endpoints, writeEndpoints } from './endpoints.ts'
import { Guard } from './iam/guard.ts'
import { openCertificateAuthority } from './iot/certificate-authority.ts'
import { Registry } from './iot/registry.ts'
import { endLeftovers } from './leftovers.ts'
import { Lifetime } from './lifetime.ts'
import { lock } from './lock.ts'
import { startPostgres } from './postgres.ts'
import { startRedis } from './redis.ts'
import type { Secrets } from './secrets-manager.ts'
import { startQueueServer } from './sqs/queue-server.ts'
import { steps, together } from './steps.ts'
import { FIREBASE, synthesize } from './synth.ts'

export interface CloudOptions {
  /** All data and files of this cloud: `.local`. */
  rootDir: string
  /** With PLCs, gateways and their machines. Tenants, plants and users are there in any case. */
  demo: boolean
  /** Free ports instead of the usual ones. */
  anyPorts?: boolean
  webPort?: number | undefined
  /** Where synthesized templates are kept between starts. */
  assemblyCache?: string
  lifetime?: Lifetime
  say?: (line: string) => void
}

export interface LocalCloud {
  endpoints: Endpoints
  stop(): Promise<void>
}

const REPOSITORY = join(import.meta.dirname, '..')

/** Rejects when anything does not come up, and has then stopped what had. */
export async function startLocalCloud(options: CloudOptions): Promise<LocalCloud> {
  const lifetime = options.lifetime ?? new Lifetime()
  try {
    return { endpoints: await start(options, lifetime), stop: () => lifetime.end() }
  } catch (error) {
    await lifetime.end()
    throw error
  }
}

async function start(options: CloudOptions, lifetime: Lifetime): Promise<Endpoints> {
  const step = steps(options.say ?? (() => undefined))
  const rootDir = resolve(options.rootDir)
  const path = (name: string) => join(rootDir, name)
  await lifetime.own('lock', lock(rootDir), (held) => held.release())
  rmSync(path('endpoints.json'), { force: true })
  await lifetime.own('endpoints.json', path('endpoints.json'), (file) => rmSync(file, { force: true }))
  await endLeftovers(rootDir)
  const ports = await choosePorts({ any: options.anyPorts ?? false, web: options.webPort })

  const guard = new Guard()
  const [assemblyDir, postgres, redis, queues, authority] = await together(
    () => void lifetime.end(),
    step.run('CDK app synthesized', () => synthesize(options.assemblyCache ?? path('assembly'), lifetime.signal)),
    step.run('Postgres', () =>
      lifetime.own('Postgres', startPostgres({ dataDir: path('postgres'), port: ports.postgres }), (s) => s.stop()),
    ),
    step.run('Redis', () =>
      lifetime.own('Redis', startRedis({ dataDir: path('redis'), port: ports.redis }), (s) => s.stop()),
    ),
    step.run('queues', () =>
      lifetime.own('queues', startQueueServer({ dataDir: path('queues'), port: ports.sqs, guard }), (s) => s.stop()),
    ),
    openCertificateAuthority(path('ca')),
  )
  const registry = new Registry(path('iot-registry.json'))
  const firebaseHost = await startFirebaseAuth(lifetime, rootDir, ports)
  const secrets: Secrets = new Map()
  const addresses = {
    aws: `http://127.0.0.1:${ports.aws}`,
    sqsAndS3: queues.url,
    redisUrl: redis.url,
    rolePassword: postgres.password,
    iotCaPem: authority.caPem,
    firebaseAuthHost: firebaseHost,
    page: `http://127.0.0.1:${ports.web}`,
  }
  const deployment = await step.run('templates deployed', () =>
    deploy({ rootDir, assemblyDir, ports, postgres, redis, queues, guard, secrets, addresses, lifetime }),
  )
  await startAwsApis(lifetime, {
    ...{ ports, registry, authority, secrets, deployment, guard, mailFile: path('mails.jsonl') },
  })
  await step.run('database migrated', () => runTriggers(deployment))
  await step.run('APIs and web page', () => startProductApis(lifetime, { ports, deployment, firebaseHost, guard }))
  await step.run('event sources, schedules and MQTT broker', async () => {
    await startEventSources(lifetime, deployment, queues)
    await startSchedules(lifetime, deployment)
    await startIotBroker(lifetime, { rootDir, ports, deployment, registry, authority })
    await startCloudWatch(lifetime, rootDir, deployment)
  })
  const users = await step.run('tenants, plants and users', () => startTenants(deployment))
  const base = endpointsOf(ports, deployment, queues.url, postgres, redis.url, authority.caFile, firebaseHost)
  const demo = options.demo
    ? await step.run('PLCs and gateways', () =>
        startDemo(lifetime, { rootDir, endpoints: { ...base, users }, repository: REPOSITORY }),
      )
    : { gateways: [], plcs: [] }
  const endpoints = { ...base, users, ...demo }
  writeEndpoints(rootDir, endpoints)
  return endpoints
}

/** As at a deployment: a trigger that fails ends it. */
async function runTriggers({ assembly, functionNamed }: Deployment): Promise<void> {
  for (const name of readTriggers(assembly)) {
    const { functionError, payload } = await functionNamed(name).invoke({})
    if (functionError) throw new Error(`${name} failed: ${JSON.stringify(payload, null, 2)}`)
  }
}

function endpointsOf(
  ports: CloudPorts,
  { assembly, database }: Deployment,
  queuesUrl: string,
  postgres: { url: string },
  redisUrl: string,
  caFile: string,
  firebaseHost: string,
): Omit<Endpoints, 'users' | 'gateways' | 'plcs'> {
  const http = (port: number) => ({ url: `http://127.0.0.1:${port}` })
  const queue = (output: string) => assembly.output('Ingest', output)
  const databaseUrl = new URL(postgres.url)
  databaseUrl.pathname = `/${database.name}`
  return {
    version: 1,
    web: http(ports.web),
    api: http(ports.api),
    realtime: { url: `ws://127.0.0.1:${ports.realtime}` },
    mqtt: { host: '127.0.0.1', port: ports.mqtt, caFile: relative(REPOSITORY, caFile) },
    postgres: { url: databaseUrl.href },
    redis: { url: redisUrl },
    sqs: {
      url: queuesUrl,
      region: REGION,
      queues: {
        telemetry: queue('TelemetryQueueUrl'),
        telemetryDeadLetters: queue('TelemetryDeadLettersUrl'),
        lateTelemetry: queue('LateTelemetryQueueUrl'),
        status: queue('StatusQueueUrl'),
        statusDeadLetters: queue('StatusDeadLettersUrl'),
        fanOut: queue('FanOutQueueUrl'),
        ruleErrors: queue('RuleErrorsUrl'),
      },
    },
    s3: {
      url: queuesUrl,
      buckets: {
        archive: assembly.output('Archive', 'ArchiveBucketName'),
        exports: assembly.output('Exports', 'ExportsBucketName'),
      },
    },
    firebase: { emulatorHost: firebaseHost, ...FIREBASE },
    metrics: { url: `http://127.0.0.1:${ports.api}/local/metrics` },
    status: { url: `http://127.0.0.1:${ports.api}/local/status` },
    iot: http(ports.aws),
    lambda: http(ports.aws),
    secrets: http(ports.aws),
  }
}
