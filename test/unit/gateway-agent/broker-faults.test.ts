import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as v from 'valibot'
import { offlineStatus } from '../../../gateway-agent/src/heartbeat.ts'
import { telemetryTopicOf, type Identity } from '../../../gateway-agent/src/identity.ts'
import { MqttConnection, type MqttConnectionOptions } from '../../../gateway-agent/src/mqtt-connection.ts'
import { Outbox } from '../../../gateway-agent/src/outbox.ts'
import { Publisher } from '../../../gateway-agent/src/publisher.ts'
import { explain } from '../../../gateway-agent/src/mqtt-faults.ts'
import { TelemetryV1 } from '../../../schemas/telemetry.ts'
import { startHttpProxy } from '../../helpers/http-proxy.ts'
import { silentLog } from './silent-log.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { createAuthority, type TestAuthority } from './test-authority.ts'
import { startBroker, type TestBroker } from './test-broker.ts'
import { STATUS_TOPIC, testIdentity } from './test-identity.ts'
import { waitFor } from './wait-for.ts'

let authority: TestAuthority
beforeAll(async () => {
  authority = await createAuthority()
})

let outbox: Outbox
let broker: TestBroker
let identity: Identity
let log: ReturnType<typeof silentLog>
let stops: (() => Promise<void> | void)[]
beforeEach(async () => {
  log = silentLog()
  outbox = new Outbox(join(temporaryFolder(), 'outbox.sqlite'), { maxMegabytes: 100 })
  broker = await startBroker(authority)
  identity = await testIdentity(authority, broker.port)
  stops = [() => outbox.close(), () => broker.stop()]
})
afterEach(async () => {
  for (const stop of stops.reverse()) await stop()
})

function connect(options: Partial<MqttConnectionOptions> = {}): MqttConnection {
  const connection = new MqttConnection({
    identities: [identity],
    port: 'auto',
    will: (sessionId) => offlineStatus(STATUS_TOPIC, 'unexpected_disconnect', sessionId),
    log,
    ...options,
  })
  stops.push(() => connection.stop())
  return connection
}

function publish(options: { publishesPerSecond?: number; connection?: MqttConnection } = {}): Publisher {
  const publisher = new Publisher({
    outbox,
    connection: options.connection ?? connect(),
    topicOf: (machine) => telemetryTopicOf(identity, machine),
    publishesPerSecond: 80,
    log,
    ackTimeoutMs: 400,
    ...(options.publishesPerSecond && { publishesPerSecond: options.publishesPerSecond }),
  })
  stops.push(() => publisher.stop(1000))
  return publisher
}

const add = (...numbers: number[]) =>
  outbox.add(numbers.map((number) => ({ machine: 'pump-1', timestamp: Date.now(), values: { number } })))
const telemetry = () =>
  broker.received
    .filter(({ topic }) => topic.endsWith('/telemetry'))
    .map(({ payload }) => v.parse(TelemetryV1, JSON.parse(payload)))
const numbers = () => telemetry().map(({ values }) => values.number)

describe('a broker', { timeout: 40_000 }, () => {
  it('that was away for days gets everything, oldest first, each with the time at which it was read', async () => {
    const MINUTE_MS = 60_000
    const READINGS = (3 * 24 * 60) / 5
    const { port } = broker
    await broker.stop()
    publish({ publishesPerSecond: 5000 })
    const end = Date.now()
    const timeOf = (number: number) => end - (READINGS - number) * 5 * MINUTE_MS
    const count = Array.from({ length: READINGS }, (_, number) => number)
    outbox.add(count.map((number) => ({ machine: 'pump-1', timestamp: timeOf(number), values: { number } })))
    broker = await startBroker(authority, port)
    await waitFor('all days', () => outbox.count === 0, 30_000)
    const received = telemetry()
    expect(received.map(({ seq, timestamp, values }) => [seq, timestamp, values.number])).toEqual(
      count.map((number) => [received[0]!.seq + number, timeOf(number), number]),
    )
  })

  it('that acknowledges later than the time-out, always, still empties the outbox', async () => {
    broker.delayMs = 600
    publish()
    add(1, 2, 3)
    await waitFor('the removal', () => outbox.count === 0)
    expect(new Set(numbers())).toEqual(new Set([1, 2, 3]))
    expect(numbers().length).toBeGreaterThan(3)
  })

  it('that is still connecting when the gateway gets another identity takes no session by the one before', async () => {
    const next = { ...(await testIdentity(authority, broker.port)), thingName: 'granix-ba-gateway-2' }
    const connection = connect()
    broker.onConnect = () => {
      broker.onConnect = () => undefined
      connection.use([next])
    }
    publish({ connection })
    add(1)
    await waitFor('the message', () => outbox.count === 0)
    expect(broker.received.map(({ clientId }) => clientId)).toEqual(['granix-ba-gateway-2'])
  })

  it('that acknowledges twice confuses nothing', async () => {
    broker.repeats = true
    publish()
    for (let number = 1; number <= 50; number += 1) add(number)
    await waitFor('the removal', () => outbox.count === 0)
    add(51)
    await waitFor('the next one', () => outbox.count === 0)
    expect(numbers()).toEqual(Array.from({ length: 51 }, (_, index) => index + 1))
  })

  it('that acknowledges nothing gets the same window again and again, and then the rest', async () => {
    broker.acknowledges = false
    publish({ publishesPerSecond: 90 })
    add(...Array.from({ length: 200 }, (_, index) => index))
    await waitFor('two rounds of repeats', () => numbers().length >= 3 * 64)
    expect(new Set(numbers()).size).toBeLessThanOrEqual(64)
    broker.acknowledges = true
    await waitFor('all', () => outbox.count === 0, 20_000)
    expect(new Set(numbers()).size).toBe(200)
  })

  it('that refuses a revoked certificate: said in words, stored meanwhile, sent when there is a good one', async () => {
    const publisher = publish()
    add(1)
    await waitFor('the first', () => outbox.count === 0)
    broker.revoke(await authority.revoke([identity.certificatePem]))
    broker.cut()
    await waitFor('the reason', () => log.lines.some((line) => line.includes('was this gateway revoked')))
    expect(publisher.mode).toBe('storing')
    add(2, 3)
    expect(outbox.count).toBe(2)
    Object.assign(identity, await authority.issue(identity.thingName))
    await waitFor('the rest', () => outbox.count === 0, 20_000)
    expect(numbers()).toEqual([1, 2, 3])
  })
})

describe('a proxy between gateway and broker', { timeout: 20_000 }, () => {
  it('that lets it through', async () => {
    const proxy = await startHttpProxy({ user: 'gateway', password: 'a:b' })
    stops.push(() => proxy.stop())
    publish({
      connection: connect({ proxy: { host: '127.0.0.1', port: proxy.port, user: 'gateway', password: 'a:b' } }),
    })
    add(1)
    await waitFor('the message', () => outbox.count === 0)
    expect(numbers()).toEqual([1])
    expect(proxy.asked).toEqual([`127.0.0.1:${broker.port}`])
  })

  it.each([
    [{ user: 'gateway' }, 'wants to know who asks (407): set proxy.user and proxy.password'],
    [{ status: 403 }, /does not let this computer through to 127\.0\.0\.1:\d+ \(403\): ask for a rule/],
    [{ status: 502 }, /cannot open a connection to 127\.0\.0\.1:\d+ \(502\)/],
  ])('that refuses %j is named as the reason', async (refusing, reason) => {
    const proxy = await startHttpProxy(refusing)
    stops.push(() => proxy.stop())
    connect({ proxy: { host: '127.0.0.1', port: proxy.port } })
    await waitFor('the reason', () => log.lines.length > 0)
    expect(log.lines[0]).toContain(`mqtt: proxy 127.0.0.1:${proxy.port}: `)
    expect(log.lines[0]).toMatch(reason)
  })

  it('that is not there', async () => {
    const proxy = await startHttpProxy()
    await proxy.stop()
    connect({ proxy: { host: '127.0.0.1', port: proxy.port } })
    await waitFor('the reason', () => log.lines.length > 0)
    expect(log.lines[0]).toContain('ECONNREFUSED')
    expect(log.lines[0]).toContain('check proxy.host and proxy.port')
  })
})

it('DNS, the clock and the network are told apart', () => {
  const address = { host: 'abc-ats.iot.us-east-1.amazonaws.com', port: 8883 }
  const say = (code: string) => explain(Object.assign(new Error('x'), { code }), address, false, Date.UTC(2001, 0, 1))
  expect(say('ENOTFOUND')).toContain('the name is unknown: check DNS and the endpoint')
  expect(say('CERT_NOT_YET_VALID')).toContain("this computer's clock says 2001-01-01T00:00:00.000Z: set it")
  expect(say('ETIMEDOUT')).toContain('no answer: check the network and firewalls')
})
