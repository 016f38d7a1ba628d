/**
 * Broker to commit: as many gateways as the queue can bear publish 90 messages/s each (above 100 the broker discards, as
 * AWS IoT does), and the time ends when Postgres holds all.
 * Beside it, in each round, two ceilings: that of the queue emulator as it is delivered (sent, received and deleted in
 * batches of 10 over its own API), and that of the way we have built around its API: the same messages through the same
 * rule, queue and event source, into a function that does nothing, with both processors for it alone.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import {
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { startFauxqs } from 'fauxqs'
import mqtt, { type MqttClient } from 'mqtt'
import pg from 'pg'
import type { CreatedGateway, Enrolment, PlantPage } from '../../schemas/api.ts'
import { telemetryTopic } from '../../schemas/topics.ts'
import { startLocalCloud } from '../../local/cloud.ts'
import type { Endpoints } from '../../local/endpoints.ts'
import { RulesEngine } from '../../local/iot/rules.ts'
import type { LambdaFunction } from '../../local/lambda/function.ts'
import { EventSource } from '../../local/sqs/event-source.ts'
import { Guard } from '../../local/iam/guard.ts'
import { startQueueServer } from '../../local/sqs/queue-server.ts'
import { signIn } from '../helpers/api-client.ts'
import { createKeyAndCsr } from '../helpers/csr.ts'
import { type Figure, median } from './figure.ts'

const GATEWAYS = 60
const PER_SECOND = 90
const SECONDS = 2
const MESSAGES = GATEWAYS * PER_SECOND * SECONDS
const ROUNDS = 2
const PLANT = { tenant: 'granix', province: 'ba', plant: 'planta-baradero' }

export async function benchPath(): Promise<Figure> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-path-'))
  const cloud = await startLocalCloud({ rootDir: join(folder, 'local'), demo: false, anyPorts: true })
  const client = new pg.Client({ connectionString: cloud.endpoints.postgres.url })
  try {
    await client.connect()
    const gateways = await Promise.all(Array.from({ length: GATEWAYS }, () => connectGateway(cloud.endpoints)))
    const publish = (round: number) =>
      Promise.all(
        gateways.map(async (gateway, index) => {
          const sent = []
          for (const { topic, payload } of messages(round, index)) {
            sent.push(gateway.publishAsync(topic, payload, { qos: 1 }))
            await wait(1000 / PER_SECOND)
          }
          await Promise.all(sent)
        }),
      )
    const stored = async () =>
      Number((await client.query<{ n: string }>('select count(*) as n from telemetry_events')).rows[0]!.n)

    await publish(0)
    await until(async () => (await stored()) === MESSAGES)
    const rounds: { path: number; emulator: number; around: number }[] = []
    for (let round = 1; round <= ROUNDS; round += 1) {
      const path = await rateOf(async () => {
        await publish(round)
        await until(async () => (await stored()) === MESSAGES * (round + 1))
      })
      const around = await ceilingAround(join(folder, `queue-${round}`), round)
      rounds.push({ path, emulator: await emulatorCeiling(round), around })
    }
    await Promise.all(gateways.map((gateway) => gateway.endAsync()))
    const share = median(rounds.map(({ path, emulator }) => path / emulator))
    const rate = (kind: keyof (typeof rounds)[number]) => Math.round(median(rounds.map((round) => round[kind])))
    return {
      what: 'broker to commit, profile live, against what the queue emulator bears',
      measured: `${Math.round(share * 100)} % (${rate('path')} of ${rate('emulator')} messages/s; around its API, into nothing: ${rate('around')})`,
      toReach: 'at least 90 %',
      reached: share >= 0.9,
    }
  } finally {
    await client.end()
    await cloud.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const firstSeq = Date.now()

/** Of one gateway, which sends for one machine. */
function messages(round: number, gateway: number): { topic: string; payload: Buffer }[] {
  return Array.from({ length: PER_SECOND * SECONDS }, (_, index) => ({
    topic: telemetryTopic({ ...PLANT, machine: `path-${gateway}` }),
    payload: Buffer.from(
      JSON.stringify({
        schemaVersion: 1,
        timestamp: Date.now(),
        seq: firstSeq + round * PER_SECOND * SECONDS + index,
        values: Object.fromEntries(Array.from({ length: 10 }, (_tag, tag) => [`tag-${tag}`, index + tag / 8])),
      }),
    ),
  }))
}

async function connectGateway(endpoints: Endpoints): Promise<MqttClient> {
  const api = await signIn(
    endpoints,
    endpoints.users.find((one) => one.tenant === PLANT.tenant && one.role === 'admin')!.email,
  )
  const { items } = (await api.get('/plants')) as PlantPage
  const { plantId } = items.find(({ slug }) => slug === PLANT.plant)!
  const { enrolment } = (await api.post('/gateways', { plantId })) as CreatedGateway
  const { key, csr } = await createKeyAndCsr()
  const { thingName, certificatePem } = (await api.post('/enrolments', { token: enrolment.token, csr })) as Enrolment
  const { host, port, caFile } = endpoints.mqtt
  return mqtt.connectAsync(`mqtts://${host}:${port}`, {
    ...{ clientId: thingName, protocolVersion: 4, ca: readFileSync(caFile), cert: certificatePem, key },
  })
}

const IN_A_BATCH = 10

async function emulatorCeiling(round: number): Promise<number> {
  const server = await startFauxqs({ port: 0, logger: false })
  const sqs = new SQSClient({
    endpoint: `http://127.0.0.1:${server.port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
  })
  try {
    server.createQueue('telemetry')
    const QueueUrl = `http://127.0.0.1:${server.port}/000000000000/telemetry`
    const bodies = Array.from({ length: GATEWAYS }, (_, gateway) => messages(round, gateway))
      .flat()
      .map(({ topic, payload }) => JSON.stringify({ payload: payload.toString('base64'), topic }))
    let passed = 0
    const send = async () => {
      for (let batch = bodies.splice(0, IN_A_BATCH); batch.length > 0; batch = bodies.splice(0, IN_A_BATCH)) {
        const Entries = batch.map((MessageBody, index) => ({ Id: String(index), MessageBody }))
        await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }))
      }
    }
    const consume = async () => {
      while (passed < MESSAGES) {
        const { Messages = [] } = await sqs.send(
          new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: IN_A_BATCH, WaitTimeSeconds: 1 }),
        )
        if (Messages.length === 0) continue
        const Entries = Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }))
        await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }))
        passed += Messages.length
      }
    }
    return await rateOf(() => Promise.all([send(), send(), consume(), consume()]).then(() => undefined))
  } finally {
    sqs.destroy()
    await server.stop()
  }
}

async function ceilingAround(dataDir: string, round: number): Promise<number> {
  const server = await startQueueServer({ dataDir, port: 0, guard: new Guard() })
  try {
    const queue = server.createQueue('telemetry', { MessageRetentionPeriod: '1209600', VisibilityTimeout: '180' })
    let passed = 0
    const nothing = {
      invoke: ({ Records }: { Records: unknown[] }) => {
        passed += Records.length
        return Promise.resolve({ payload: { batchItemFailures: [] } })
      },
    } as unknown as LambdaFunction
    const settings = { batchSize: 10, windowSec: 0, reportsItemFailures: true, maxConcurrency: 2 }
    const source = new EventSource(queue, server, nothing, settings)
    source.start()
    const sql = `SELECT encode(*, 'base64') AS payload, topic() AS topic, clientid() AS clientId, timestamp() AS receivedAt, traceid() AS traceId FROM 'factory/+/+/+/+/telemetry'`
    const rules = new RulesEngine([{ name: 'telemetry', sql, target: queue, errorTarget: undefined }])
    const rate = await rateOf(async () => {
      const all = Array.from({ length: GATEWAYS }, (_, gateway) => messages(round, gateway)).flat()
      for (const [index, message] of all.entries()) {
        rules.run({ ...message, clientId: 'bench' })
        if (index % 10 === 9) await new Promise(setImmediate)
      }
      await until(() => Promise.resolve(passed === MESSAGES))
    })
    await source.stop()
    return rate
  } finally {
    await server.stop()
  }
}

async function rateOf(work: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await work()
  return (1000 * MESSAGES) / (performance.now() - started)
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await wait(20)
}
