/**
 * Broker to commit: as many gateways as the queue can bear publish 90 messages/s each (above 100 the broker discards, as
 * AWS IoT does), and the time ends when Postgres holds all.
 * Beside it the ceiling of the queue emulator: the same messages through the same rule, queue and event source, into a
 * function that does nothing.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
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
    const rounds: { path: number; ceiling: number }[] = []
    for (let round = 1; round <= ROUNDS; round += 1) {
      const path = await rateOf(async () => {
        await publish(round)
        await until(async () => (await stored()) === MESSAGES * (round + 1))
      })
      rounds.push({ path, ceiling: await emulatorCeiling(join(folder, `queue-${round}`), round) })
    }
    await Promise.all(gateways.map((gateway) => gateway.endAsync()))
    const share = median(rounds.map(({ path, ceiling }) => path / ceiling))
    const rate = (kind: 'path' | 'ceiling') => Math.round(median(rounds.map((round) => round[kind])))
    return {
      what: 'broker to commit, profile live, against what the queue emulator passes on by itself',
      measured: `${Math.round(share * 100)} % (${rate('path')} of ${rate('ceiling')} messages/s)`,
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

async function emulatorCeiling(dataDir: string, round: number): Promise<number> {
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
