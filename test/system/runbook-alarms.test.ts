/**
 * Every alarm of the templates is provoked, and rings. What queues tell is provoked at queues of the template, in a time that
 * passes as fast as it is told to. What functions tell is provoked once in the running system, whose points are then
 * repeated as often as the function's schedule would: the condition lasts.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { IoTClient, ListThingPrincipalsCommand, UpdateCertificateCommand } from '@aws-sdk/client-iot'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { SqsStore } from '../../node_modules/fauxqs/dist/sqs/sqsStore.js'
import type { PlantPage } from '../../schemas/api.ts'
import { PANELS } from '../../schemas/panels.ts'
import { Assembly } from '../../local/assembly/assembly.ts'
import { readSchedules } from '../../local/assembly/read-consumers.ts'
import { functionResources } from '../../local/assembly/read-functions.ts'
import { readQueues } from '../../local/assembly/read-queues.ts'
import { Alarm } from '../../local/cloudwatch/alarm.ts'
import { CloudWatch } from '../../local/cloudwatch/cloudwatch.ts'
import { type MetricId, MetricStore } from '../../local/cloudwatch/metric-store.ts'
import { type AlarmSettings, readAlarms } from '../../local/cloudwatch/read-alarms.ts'
import { Guard } from '../../local/iam/guard.ts'
import { type Queue, type QueueServer, startQueueServer } from '../../local/sqs/queue-server.ts'
import { synthesize } from '../../local/synth.ts'
import { type ApiClient, signIn } from '../helpers/api-client.ts'
import { status, telemetry } from '../helpers/envelopes.ts'
import { enrolGateway } from '../helpers/gateway-process.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const endpoints = inject('endpoints')
const { region, queues } = endpoints.sqs
const client = { region, credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }
const lambda = new LambdaClient({ endpoint: endpoints.lambda.url, ...client })
const sqs = new SQSClient({ endpoint: endpoints.sqs.url, ...client })
const s3 = new S3Client({ endpoint: endpoints.s3.url, forcePathStyle: true, ...client })
const iot = new IoTClient({ endpoint: endpoints.iot.url, ...client })
const database = new pg.Client({ connectionString: endpoints.postgres.url })
const folder = mkdtempSync(join(tmpdir(), 'runbook-alarms-'))

const templates = await synthesize(join(import.meta.dirname, '../../.local/assembly'), AbortSignal.timeout(60_000))
const assembly = Assembly.read(templates, {
  queueUrl: (name) => `${endpoints.sqs.url}/000000000000/${name}`,
  ...{ database: { host: '127.0.0.1', port: 5432 }, redis: { host: '127.0.0.1', port: 6379 } },
  secret: () => '{"password":"none"}',
})
const alarms = readAlarms(assembly)
const headingOf = ({ name }: { name: string }) => name.replace(/ \[\w+\]$/, '')

let api: ApiClient
let plant: { tenant: string; province: string; plant: string; thingName: string }

beforeAll(async () => {
  await database.connect()
  const user = endpoints.users.find(({ tenant, role }) => tenant === 'norpan' && role === 'admin')!
  api = await signIn(endpoints, user.email)
  const { items } = (await api.get('/plants')) as PlantPage
  const { thingName } = await enrolGateway(endpoints, {
    ...{ tenant: 'norpan', plant: items[0]!.slug, folder },
    devices: '  - { name: none, driver: modbus-tcp, host: 127.0.0.1, port: 1, unitId: 1 }',
    machines: '  - { slug: none, device: none, intervalMs: 60000, tags: { a: { address: "coil:0" } } }',
  })
  plant = { tenant: 'norpan', province: items[0]!.province, plant: items[0]!.slug, thingName }
})
afterAll(async () => {
  for (const one of [lambda, sqs, s3, iot]) one.destroy()
  await database.end()
  rmSync(folder, { recursive: true })
})

const functionName = (id: string) =>
  String(
    assembly.ref(
      functionResources(assembly).find(({ logicalId }) => new RegExp(`^${id}[0-9A-F]{8}$`).test(logicalId))!,
    ),
  )
const send = (QueueUrl: string, MessageBody: string) => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }))

async function invoke(id: string): Promise<{ hasFailed: boolean; answer: Record<string, unknown> }> {
  const { FunctionError, Payload } = await lambda.send(
    new InvokeCommand({ FunctionName: functionName(id), Payload: Buffer.from('{}') }),
  )
  const answer = JSON.parse(Buffer.from(Payload!).toString()) as Record<string, unknown>
  return { hasFailed: FunctionError !== undefined, answer }
}

/** What the function cannot do without is away, once. */
const failing = (id: string, without: string, again: string, role?: string) => async () => {
  await database.query(without)
  try {
    if (role) await database.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [role])
    expect((await invoke(id)).hasFailed).toBe(true)
  } finally {
    await database.query(again)
  }
}
const withoutRole = (id: string, role: string) =>
  failing(id, `alter role ${role} nologin`, `alter role ${role} login`, role)

/** How each alarm that a function tells of is provoked, once. */
const PROVOKED: Record<string, () => Promise<unknown>> = {
  'Alarms: the sweep fails': withoutRole('AlarmSweep', 'iot_ingest'),
  'API: requests fail': async () => {
    await database.query('alter role iot_api nologin')
    try {
      await database.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'iot_api'`)
      expect((await api.request('GET', '/plants')).status).toBeGreaterThanOrEqual(500)
    } finally {
      await database.query('alter role iot_api login')
    }
  },
  'Archive: runs fail': withoutRole('Archive', 'iot_archive'),
  'Archive: days are late': damageArchive,
  'Archive: verification failed': () => Promise.resolve(), // by the same damage
  'Gateways: AWS IoT and the database differ': deactivateCertificate,
  'Gateways: the comparison with AWS IoT fails': withoutRole('ReconcileGateways', 'iot_gateways'),
  'Gateway status: the pipeline is behind': fallSilent,
  'History: hours wait to be rolled up': () =>
    vi.waitFor(async () => {
      // The schedule may be quicker than we are.
      await database.query(
        `insert into rollup_queue (tenant_id, machine_id, hour)
         select id, '01890a5d-ac96-774b-bcce-b302099a8058', 480000 from tenants where slug = 'norpan'`,
      )
      expect((await invoke('Rollup')).answer).toMatchObject({ rolledUp: expect.not.closeTo(0) as number })
    }, 10_000),
  'History: Rollup fails': withoutRole('Rollup', 'iot_rollup'),
  'Partitions: a run failed': failing(
    'Partitions',
    'alter function ensure_partitions(date, date) rename to ensure_partitions_away',
    'alter function ensure_partitions_away(date, date) rename to ensure_partitions',
  ),
  'Telemetry: a day had no partition': meetDayWithoutPartition,
}

/** Those that ring in the running system at once, because one message is enough. */
const SENT: Record<string, () => Promise<unknown>> = {
  'Telemetry: dead letters': () => send(queues.telemetry, telemetry(plant, 'press', {}, { payload: 'no JSON' })),
  'Gateway status: dead letters': () => send(queues.status, status(plant, {}, { payload: 'no JSON' })),
  'IoT rules: deliveries failed': () =>
    send(
      queues.ruleErrors,
      JSON.stringify({
        ...{ ruleName: 'telemetry', topic: 'factory/norpan/x/y/z/telemetry', clientId: 'none', cloudwatchTraceId: 't' },
        base64OriginalPayload: '',
        failures: [{ failedAction: 'SqsAction', failedResource: 'queue', errorMessage: 'away' }],
      }),
    ),
}

/** How the others are provoked: at a queue of the template (its logical id begins so), as time passes. */
const WAITING: Record<string, (time: QueueTime) => void> = {
  'Database: storage runs out': ({ fillDisk }) => fillDisk(15),
  'Alarm delivery: dead letters': ({ giveUp }) => giveUp('AlarmQueue'),
  'Alarm delivery: messages wait too long': ({ letWait }) => letWait('AlarmQueue', 60),
  'Exports: dead letters': ({ giveUp }) => giveUp('ExportQueue'),
  'Exports: messages wait too long': ({ letWait }) => letWait('ExportQueue', 30),
  'Live fan-out: dead letters': ({ giveUp }) => giveUp('FanOutQueue'),
  'Live fan-out: messages wait too long': ({ letWait }) => letWait('FanOutQueue', 1),
  'Telemetry: messages wait too long': ({ letWait }) => letWait('TelemetryQueue', 5),
  'Late telemetry: messages wait too long': ({ letWait }) => letWait('LateTelemetryQueue', 360),
  'Gateway status: messages wait too long': ({ letWait }) => letWait('StatusQueue', 1),
  'Telemetry: quarantine is stuck': ({ letWait }) => letWait('TelemetryQueueDeadLetters', 20),
  'Gateway status: quarantine is stuck': ({ letWait }) => letWait('StatusQueueDeadLetters', 20),
  'IoT rules: quarantine is stuck': ({ letWait }) => letWait('RuleErrors', 20),
}

/** The reading of a day long past whose partition somebody has dropped; ingest makes it again. */
async function meetDayWithoutPartition(): Promise<void> {
  const timestamp = Date.now() - 20 * DAY_MS
  const partition = `telemetry_events_${new Date(timestamp).toISOString().slice(0, 10).replaceAll('-', '')}`
  await database.query(`drop table if exists ${partition}`)
  await send(queues.lateTelemetry, telemetry(plant, 'press', { timestamp, seq: 7001 }))
}

/** A gateway that was heard long ago, while no other is. The schedule may have seen it before we ask. */
async function fallSilent(): Promise<void> {
  const heartbeat = {
    ...{ schemaVersion: 1, timestamp: Date.now(), state: 'online' },
    gateway: { thingName: plant.thingName, version: '1', uptimeSec: 1 },
    health: { internet: 'ok', mqtt: 'connected', plcLink: 'ok', buffer: { mode: 'live', queuedMessages: 0 } },
  }
  let receivedAt = Date.now() - 600_000
  await vi.waitFor(
    async () => {
      await send(queues.status, status(plant, heartbeat, { receivedAt: ++receivedAt }))
      expect((await invoke('PresenceSweep')).answer).toMatchObject({ isBehind: true })
    },
    // Another test's gateway may have been heard until now.
    { timeout: 40_000, interval: 300 },
  )
}

async function deactivateCertificate(): Promise<void> {
  const { principals } = await iot.send(new ListThingPrincipalsCommand({ thingName: plant.thingName }))
  const certificateId = principals![0]!.split('/').at(-1)!
  await iot.send(new UpdateCertificateCommand({ certificateId, newStatus: 'INACTIVE' }))
  // It looks at some of the gateways in each run.
  await vi.waitFor(
    async () => expect((await invoke('ReconcileGateways')).answer.withoutCertificate).toContainEqual(plant.thingName),
    10_000,
  )
  await iot.send(new UpdateCertificateCommand({ certificateId, newStatus: 'ACTIVE' }))
}

/** A day that nobody writes any more is in the archive; then its file is not what was written. */
async function damageArchive(): Promise<void> {
  const day = Math.floor(Date.now() / DAY_MS) - 45
  const date = new Date(day * DAY_MS).toISOString().slice(0, 10)
  await database.query('select ensure_partitions($1, $1)', [date])
  const { rows } = await database.query<{ id: string }>(`select id from tenants where slug = 'norpan'`)
  const of = [rows[0]!.id, '01890a5d-ac96-774b-bcce-b302099a8059']
  await database.query(`insert into telemetry_events select $1, $2, ${day * DAY_MS}, 1, 1, '{"a":1}', null`, of)
  await database.query(`insert into archive_queue (tenant_id, machine_id, day) values ($1, $2, ${day})`, of)
  const isVerified = async () => {
    await invoke('Archive')
    const { rowCount } = await database.query(`select from archive_days where day = ${day} and verified_at is not null`)
    return rowCount === 1
  }
  expect(await isVerified()).toBe(true)
  const Bucket = endpoints.s3.buckets.archive!
  const { Contents = [] } = await s3.send(
    new ListObjectsV2Command({ Bucket, Prefix: `readings/tenant=norpan/date=${date}/` }),
  )
  await s3.send(new PutObjectCommand({ Bucket, Key: Contents[0]!.Key!, Body: 'damaged' }))
  await database.query(`update archive_days set verified_at = null where day = ${day}`)
  expect(await isVerified()).toBe(false)
  expect(await isVerified(), 'it repairs itself').toBe(true)
}

const fetchLocal = async (path: string) => (await fetch(`${endpoints.api.url}/local/${path}`)).json()

/** The alarm over the points that the running system has, again and again as often as the function is invoked. */
function ringsWhenItLasts(settings: AlarmSettings, points: (MetricId & { last: number })[]): boolean {
  const store = new MetricStore()
  const until = Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS
  for (const { metric } of Object.values(settings.queries)) {
    const { last } = points.find(({ namespace, name, dimensions }) =>
      [namespace === metric.namespace, name === metric.name, sameSet(dimensions, metric.dimensions)].every(Boolean),
    )!
    const service = metric.dimensions.service
    const invoked = readSchedules(assembly).find(({ functionName: name }) =>
      service === undefined ? name === metric.dimensions.FunctionName : serviceOf(name) === service,
    )
    const everyMs = invoked?.everyMs ?? MINUTE_MS
    for (let at = until - everyMs; at > until - 7 * 3_600_000; at -= everyMs)
      store.add({ ...metric, at, values: [last] })
    if (everyMs > MINUTE_MS) store.add({ ...metric, at: until - 1, values: [last] })
  }
  const alarm = new Alarm(settings)
  alarm.evaluate(store, until)
  return alarm.state === 'ALARM'
}

const sameSet = (a: Record<string, string>, b: Record<string, string>) =>
  JSON.stringify(Object.entries(a).toSorted()) === JSON.stringify(Object.entries(b).toSorted())
const serviceOf = (name: string) =>
  (
    functionResources(assembly).find((one) => assembly.ref(one) === name)!.properties.Environment as {
      Variables: Record<string, string>
    }
  ).Variables.POWERTOOLS_SERVICE_NAME

interface QueueTime {
  /** There is hardly any room, for so long. */
  fillDisk: (minutes: number) => void
  /** A message comes into the queue, and nobody takes it for so long. */
  letWait: (queue: string, minutes: number) => void
  /** A message of the queue fails as often as the template lets it. */
  giveUp: (queue: string) => void
}

describe('by what queues and the disk tell', () => {
  let server: QueueServer
  const byName = new Map<string, Queue>()
  beforeAll(async () => {
    server = await startQueueServer({ dataDir: join(folder, 'queues'), port: 0, guard: new Guard() })
    for (const { name, attributes } of readQueues(assembly)) byName.set(name, server.createQueue(name, attributes))
  })
  afterAll(() => server.stop())

  it.each(Object.entries(WAITING))('%s', (heading, provoke) => {
    let now = Date.now()
    const cloudWatch = new CloudWatch(alarms, [...byName.values()], () => now)
    const alarm = cloudWatch.alarms.find(({ settings }) => headingOf(settings) === heading)!
    const pass = (minutes: number) => {
      for (let minute = 0; minute <= minutes; minute += 1, now += MINUTE_MS) cloudWatch.tick()
    }
    const queueOf = (id: string) =>
      [...byName].find(([name]) => new RegExp(`-${id}[0-9A-F]{8}(\\.fifo)?$`).test(name))![1]
    const put = (queue: Queue) => {
      const message = SqsStore.createMessage('x', {}, 0, queue.isFifo() ? 'g' : undefined)
      queue.enqueue({ ...message, sentTimestamp: now })
    }
    let freeBytes = 5e9
    const [instance] = assembly.resources('AWS::RDS::DBInstance')
    const dimensions = { DBInstanceIdentifier: String(assembly.ref(instance!)) }
    cloudWatch.sample(() => ({ namespace: 'AWS/RDS', name: 'FreeStorageSpace', dimensions, values: [freeBytes] }))
    pass(30)
    expect(alarm.state).toBe('OK')
    provoke({
      fillDisk: (minutes) => {
        freeBytes = 1e8
        pass(minutes - 7)
        expect(alarm.state).toBe('OK')
        pass(7)
      },
      letWait: (id, minutes) => {
        put(queueOf(id))
        if (minutes > 2) pass(minutes - 2)
        expect(alarm.state).toBe('OK')
        pass(2)
      },
      giveUp: (id) => {
        const queue = queueOf(id)
        put(queue)
        const deadLettersOf = (arn: string) => server.deadLetterQueue(arn)
        const { maxReceiveCount } = JSON.parse(queue.attributes.RedrivePolicy!) as { maxReceiveCount: number }
        for (let receive = 0; receive < maxReceiveCount; receive += 1)
          for (const { ReceiptHandle } of queue.dequeue(1, undefined, deadLettersOf))
            queue.changeVisibility(ReceiptHandle, 0)
        pass(0)
        expect(alarm.state).toBe('OK')
        queue.dequeue(1, undefined, deadLettersOf)
        pass(0)
      },
    })
    expect(alarm.state).toBe('ALARM')
    for (const queue of byName.values()) queue.purge()
  })
})

it.each(Object.entries(PROVOKED))('%s', async (heading, provoke) => {
  const alarm = alarms.find((one) => headingOf(one) === heading)!
  await provoke()
  await vi.waitFor(
    async () =>
      expect(ringsWhenItLasts(alarm, (await fetchLocal('datapoints')) as (MetricId & { last: number })[])).toBe(true),
    10_000,
  )
})

it('one message that is refused rings at once', async () => {
  await Promise.all(Object.values(SENT).map((provoke) => provoke()))
  await vi.waitFor(async () => {
    const ringing = ((await fetchLocal('alarms')) as { name: string; state: string }[]).filter(
      ({ state }) => state === 'ALARM',
    )
    expect(ringing.map(headingOf)).toEqual(expect.arrayContaining(Object.keys(SENT)))
  }, 15_000)
  const page = await (await fetch(endpoints.status.url)).text()
  for (const heading of Object.keys(SENT)) expect(page).toMatch(new RegExp(`<li class="ALARM"[^>]*>${heading} <time>`))
  for (const { title } of PANELS) expect(page).toContain(`<h3>${title}</h3>`)
  expect(page).toContain('<th>invalid_json (ingest)</th>')
})

it('no alarm is left out, and each has its heading in the runbook', () => {
  const runbook = readFileSync(join(import.meta.dirname, '../../docs/runbook.md'), 'utf8')
  const provoked = Object.keys({ ...PROVOKED, ...SENT, ...WAITING })
  expect(alarms.map(headingOf).toSorted()).toEqual(provoked.toSorted())
  for (const heading of provoked) expect(runbook).toContain(`\n## ${heading}\n`)
})
