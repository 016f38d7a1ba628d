/** Makes what the templates describe: queues, secrets, the database's contents and the functions. */
import { statfsSync } from 'node:fs'
import { join } from 'node:path'
import { Assembly, type LocalValues } from './assembly/assembly.ts'
import { apiHost } from './assembly/physical-values.ts'
import { type ApiSettings, readApis } from './assembly/read-apis.ts'
import { functionResources, readFunctions } from './assembly/read-functions.ts'
import { readQueues } from './assembly/read-queues.ts'
import { readSite, type Site } from './assembly/read-site.ts'
import { CloudWatch } from './cloudwatch/cloudwatch.ts'
import { readAlarms } from './cloudwatch/read-alarms.ts'
import type { CloudPorts } from './cloud-ports.ts'
import { prepareDatabase, readDatabase } from './database.ts'
import { LambdaFunction } from './lambda/function.ts'
import { type LogFile, openLogFile } from './lambda/log-file.ts'
import { checkDeployment } from './iam/deployment-rights.ts'
import type { Guard } from './iam/guard.ts'
import { readRoles } from './iam/roles.ts'
import type { Lifetime } from './lifetime.ts'
import { type LocalAddresses, withOverrides } from './overrides.ts'
import type { Postgres } from './postgres.ts'
import type { Redis } from './redis.ts'
import { makeSecrets, type Secrets } from './secrets-manager.ts'
import type { Queue, QueueServer } from './sqs/queue-server.ts'

export interface Deployment {
  assembly: Assembly
  functions: Map<string, LambdaFunction>
  functionNamed: (name: string) => LambdaFunction
  queueNamed: (name: string) => Queue
  httpApi: ApiSettings
  webSocketApi: ApiSettings
  site: Site
  cloudWatch: CloudWatch
  /** Puts this machine's addresses in the place of AWS host names. */
  localize: (text: string) => string
  /** Where an API's host really answers. */
  originOf: (apiHost: string) => string
  database: { name: string }
}

export interface DeployOptions {
  rootDir: string
  assemblyDir: string
  ports: CloudPorts
  postgres: Postgres
  redis: Redis
  queues: QueueServer
  guard: Guard
  secrets: Secrets
  addresses: LocalAddresses
  lifetime: Lifetime
}

export async function deploy(options: DeployOptions): Promise<Deployment> {
  const { rootDir, ports, postgres, redis, queues, guard, secrets, addresses, lifetime } = options
  const redisUrl = new URL(redis.url)
  const local: LocalValues = {
    queueUrl: (name) => queues.queueUrl(name),
    database: { host: postgres.host, port: postgres.port },
    redis: { host: redisUrl.hostname, port: Number(redisUrl.port || 6379) },
    secret: (arn) => known(secrets.get(arn), `secret ${arn}`),
  }
  const assembly = Assembly.read(options.assemblyDir, local)
  makeSecrets(assembly, secrets, join(rootDir, 'secrets.json'))
  const functionsHere = functionResources(assembly)
  const roles = readRoles(assembly)
  checkDeployment(assembly, functionsHere, roles)
  guard.learn(new Map(functionsHere.map((one) => [String(assembly.ref(one)), roles.get(String(one.properties.Role))!])))
  const database = readDatabase(assembly)
  const master = JSON.parse(secrets.get(database.masterSecretArn)!) as { password: string }
  await prepareDatabase(postgres, database, master.password)

  const queueSettings = readQueues(assembly)
  queues.keepOnly(queueSettings.map((queue) => queue.name))
  const byName = new Map(queueSettings.map(({ name, attributes }) => [name, queues.createQueue(name, attributes)]))
  for (const bucket of assembly.resources('AWS::S3::Bucket')) queues.createBucket(String(assembly.ref(bucket)))

  const apis = readApis(assembly)
  const [httpApi, webSocketApi] = [only(apis, 'HTTP'), only(apis, 'WEBSOCKET')]
  const site = readSite(assembly)
  const hosts: [awsHost: string, here: string][] = [
    [apiHost(httpApi.apiId), `127.0.0.1:${ports.api}`],
    [apiHost(webSocketApi.apiId), `127.0.0.1:${ports.realtime}`],
    [site.host, `127.0.0.1:${ports.web}`],
  ]
  const localize = (text: string) =>
    hosts.reduce(
      (result, [host, here]) =>
        result.replaceAll(`https://${host}`, `http://${here}`).replaceAll(`wss://${host}`, `ws://${here}`),
      text,
    )
  const cloudWatch = new CloudWatch(readAlarms(assembly), [...byName.values()])
  for (const instance of assembly.resources('AWS::RDS::DBInstance'))
    cloudWatch.sample(() => freeStorage(String(assembly.ref(instance)), rootDir))
  const environmentOf = (template: Record<string, string>) =>
    withOverrides(
      Object.fromEntries(Object.entries(template).map(([name, value]) => [name, localize(value)])),
      addresses,
    )
  const functions = new Map<string, LambdaFunction>()
  for (const settings of readFunctions(assembly, environmentOf)) {
    const log = openLogFile(join(rootDir, 'logs', `${settings.name}.log`))
    await lifetime.own(`log of ${settings.name}`, log, () => log.close())
    const lambda = new LambdaFunction(
      settings,
      (line) => takeLine(line, cloudWatch, log),
      (durationMs, hasFailed) => cloudWatch.countInvocation(settings.name, durationMs, hasFailed),
    )
    functions.set(settings.name, await lifetime.own(settings.name, lambda, () => lambda.stop()))
  }
  return {
    assembly,
    functions,
    functionNamed: (name) => known(functions.get(name), `function ${name}`),
    queueNamed: (name) => known(byName.get(name), `queue ${name}`),
    httpApi,
    webSocketApi,
    site,
    cloudWatch,
    localize,
    originOf: (host) => localize(`https://${host}`),
    database: { name: database.DBName },
  }
}

/** Metrics are shown elsewhere; as lines they would be most of the log. */
function takeLine(line: string, cloudWatch: CloudWatch, log: LogFile): void {
  try {
    if (!cloudWatch.takeLine(line)) log.write(line)
  } catch (error) {
    log.write(`${line}\nlocal/: the line above is no EMF document that CloudWatch would take: ${String(error)}`)
  }
}

/** Of the disk that Postgres writes to. */
function freeStorage(DBInstanceIdentifier: string, folder: string) {
  const { bavail, bsize } = statfsSync(folder)
  return {
    ...{ namespace: 'AWS/RDS', name: 'FreeStorageSpace', dimensions: { DBInstanceIdentifier } },
    values: [bavail * bsize],
  }
}

function known<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`A template names the ${what}, but no template has it.`)
  return value
}

function only(apis: ApiSettings[], protocol: ApiSettings['protocol']): ApiSettings {
  const found = apis.filter((api) => api.protocol === protocol)
  if (found.length !== 1) throw new Error(`local/ serves one ${protocol} API, the templates have ${found.length}.`)
  return found[0]!
}
