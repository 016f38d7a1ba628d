import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as v from 'valibot'
import { Heartbeat, offlineStatus } from '../../../gateway-agent/src/heartbeat.ts'
import { telemetryTopicOf, type Identity } from '../../../gateway-agent/src/identity.ts'
import { MqttConnection, type Publish, type Session } from '../../../gateway-agent/src/mqtt-connection.ts'
import { Outbox } from '../../../gateway-agent/src/outbox.ts'
import { Publisher } from '../../../gateway-agent/src/publisher.ts'
import { StatusV1 } from '../../../schemas/status.ts'
import { TelemetryV1 } from '../../../schemas/telemetry.ts'
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
/** What to stop after the test, last started first. */
let stops: (() => Promise<void> | void)[]
beforeEach(() => {
  stops = []
  outbox = new Outbox(join(temporaryFolder(), 'outbox.sqlite'), { maxMegabytes: 100 })
  stops.push(() => outbox.close())
})
afterEach(async () => {
  for (const stop of stops.reverse()) await stop()
})

const add = (...numbers: number[]) =>
  outbox.add(numbers.map((number) => ({ machine: 'pump-1', timestamp: Date.now(), values: { number } })))
const numberOf = (payload: string) => v.parse(TelemetryV1, JSON.parse(payload)).values.number

describe('with a real broker', { timeout: 30_000 }, () => {
  let broker: TestBroker
  let identity: Identity
  let log: ReturnType<typeof silentLog>
  beforeEach(async () => {
    log = silentLog()
    broker = await startBroker(authority)
    stops.push(() => broker.stop())
    identity = await testIdentity(authority, broker.port)
  })

  function connect(): MqttConnection {
    const connection = new MqttConnection({
      identities: [identity],
      port: 'auto',
      will: (sessionId) => offlineStatus(STATUS_TOPIC, 'unexpected_disconnect', sessionId),
      log,
    })
    stops.push(() => connection.stop())
    return connection
  }

  function publish(connection: MqttConnection): Publisher {
    const topicOf = (machine: string) => telemetryTopicOf(identity, machine)
    const publisher = new Publisher({ outbox, connection, topicOf, publishesPerSecond: 80, log, ackTimeoutMs: 400 })
    stops.push(() => publisher.stop(1000))
    return publisher
  }

  const telemetry = () => broker.received.filter(({ topic }) => topic === 'factory/granix/ba/norte/pump-1/telemetry')
  const statuses = () =>
    broker.received
      .filter(({ topic }) => topic === STATUS_TOPIC)
      .map(({ payload, retain }) => ({ ...v.parse(StatusV1, JSON.parse(payload)), retain }))

  it('sends what waits and what comes, and removes it after the PUBACK', async () => {
    add(1, 2, 3)
    const publisher = publish(connect())
    expect(publisher.mode).toBe('storing')
    await waitFor('the backlog', () => outbox.count === 0)
    add(4)
    await waitFor('the live message', () => outbox.count === 0 && publisher.mode === 'live')
    expect(telemetry().map(({ payload }) => numberOf(payload))).toEqual([1, 2, 3, 4])
    expect(telemetry()[0]!.clientId).toBe('granix-ba-gateway-1')
  })

  it('keeps and repeats what the broker does not acknowledge', async () => {
    broker.acknowledges = false
    publish(connect())
    add(1)
    await waitFor('the message to be sent again', () => telemetry().length >= 3)
    expect(outbox.count).toBe(1)
    expect(new Set(telemetry().map(({ payload }) => payload)).size).toBe(1)
    broker.acknowledges = true
    await waitFor('the removal', () => outbox.count === 0)
  })

  it('a broker that goes away and comes back gets each seq', async () => {
    const connection = connect()
    publish(connection)
    add(1, 2)
    await waitFor('the first messages', () => outbox.count === 0)
    const { port } = broker
    const before = telemetry()
    await broker.stop()
    add(3, 4)
    broker = await startBroker(authority, port)
    add(5)
    await waitFor('the rest', () => outbox.count === 0)
    const seqs = [...before, ...telemetry()].map(({ payload }) => v.parse(TelemetryV1, JSON.parse(payload)).seq)
    const { first, last } = outbox.ledger()['pump-1']!
    expect([...new Set(seqs)].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 5 }, (_, index) => first + index))
    expect(last).toBe(first + 4)
  })

  it('tells a clash of two computers with one identity', async () => {
    publish(connect())
    for (let session = 1; session <= 3; session += 1) {
      add(session)
      await waitFor(`session ${session}`, () => outbox.count === 0)
      broker.cut()
      await waitFor('its end', () => log.lines.filter((line) => line.includes('next attempt')).length >= session)
    }
    expect(log.lines.join('\n')).toContain('Does another computer use the identity of granix-ba-gateway-1')
  })

  function beat(connection: MqttConnection): Heartbeat {
    const heartbeat = new Heartbeat({
      topicOf: () => STATUS_TOPIC,
      gateway: { thingName: 'granix-ba-gateway-1', version: '0.1.0' },
      connection,
      log,
      vitals: () => ({
        plcLink: 'down',
        buffer: { mode: 'live', queuedMessages: outbox.count },
        ledger: outbox.ledger(),
        outboxSetAside: { at: 1736359200000, file: 'outbox.corrupt-1736359200000.sqlite' },
      }),
    })
    stops.push(() => heartbeat.stop())
    return heartbeat
  }

  it('heartbeats are retained and carry session, health and ledger; a stop says offline and leaves no will', async () => {
    add(1)
    const connection = connect()
    const heartbeat = beat(connection)
    await waitFor('a heartbeat', () => statuses().length === 1)
    const [first] = statuses()
    const { seq } = v.parse(TelemetryV1, JSON.parse(outbox.peek({ after: 0, until: 1, limit: 1 })[0]!.payload))
    expect(first).toMatchObject({
      state: 'online',
      retain: true,
      gateway: { thingName: 'granix-ba-gateway-1', version: '0.1.0' },
      health: { internet: 'up', mqtt: 'up', plcLink: 'down', buffer: { mode: 'live', queuedMessages: 1 } },
      ledger: { 'pump-1': { first: seq, last: seq, dropped: [], pending: [[seq, seq]] } },
      outboxSetAside: { at: 1736359200000, file: 'outbox.corrupt-1736359200000.sqlite' },
    })
    await heartbeat.stop()
    await connection.stop()
    expect(statuses().slice(1)).toMatchObject([
      { state: 'offline', reason: 'shutdown', sessionId: first!.sessionId, retain: true },
    ])
  })

  it('a ledger that AWS IoT would end the connection for is left out, and the log says so', async () => {
    outbox.add(
      Array.from({ length: 1200 }, (_, index) => ({
        machine: `meter-of-a-large-site-${index}`,
        timestamp: Date.now(),
        values: { energy: index },
      })),
    )
    beat(connect())
    await waitFor('a heartbeat', () => statuses().length === 1)
    expect(statuses()[0]).toMatchObject({ state: 'online', health: { buffer: { queuedMessages: 1200 } } })
    expect(Buffer.byteLength(broker.received[0]!.payload)).toBeLessThan(128 * 1024)
    expect(log.lines.join('\n')).toContain('1200 machines')
  })

  it('an abrupt end leaves the will of that session; the next one has another id', async () => {
    beat(connect())
    await waitFor('a heartbeat', () => statuses().length === 1)
    broker.cut()
    await waitFor('the next session', () => statuses().length === 3)
    const [first, will, next] = statuses()
    expect(will).toMatchObject({
      state: 'offline',
      reason: 'unexpected_disconnect',
      sessionId: first!.sessionId,
      retain: true,
    })
    expect(next).toMatchObject({ state: 'online' })
    expect(next!.sessionId).not.toBe(first!.sessionId)
  })

  it('says in words why there is no connection', async () => {
    const foreign = await createAuthority()
    const said = silentLog()
    const connection = new MqttConnection({
      identities: [{ ...identity, caPem: foreign.caPem }],
      port: 'auto',
      will: (sessionId) => offlineStatus(STATUS_TOPIC, 'unexpected_disconnect', sessionId),
      log: said,
    })
    stops.push(() => connection.stop())
    await waitFor('the reason', () => said.lines.length > 0)
    expect(said.lines[0]).toContain('its certificate is not from the CA of the enrolment')
  })
})

describe('order and window, against a session that the test acknowledges', { timeout: 15_000 }, () => {
  const sent: { number: unknown; acknowledge: () => void }[] = []
  let tell: (session: Session | undefined) => void
  const session: Session = {
    id: 's',
    publish({ payload }: Publish, acknowledge) {
      sent.push({ number: numberOf(payload), acknowledge })
      return sent.length
    },
    forget: () => undefined,
  }
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

  function start(publishesPerSecond = 90): Publisher {
    sent.length = 0
    const connection = { onSession: (listener: typeof tell) => void (tell = listener) }
    const publisher = new Publisher({
      outbox,
      connection,
      topicOf: (machine) => machine,
      publishesPerSecond,
      log: silentLog(),
    })
    stops.push(() => publisher.stop(0))
    return publisher
  }

  it('never has more than 64 in flight', async () => {
    add(...range(1, 100))
    start()
    tell(session)
    await waitFor('the window to be full', () => sent.length === 64)
    sent[10]!.acknowledge()
    await waitFor('one more', () => sent.length === 65)
    expect(sent.map(({ number }) => number)).toEqual(range(1, 65))
  })

  it('sends live messages before the backlog, and the backlog oldest first', async () => {
    add(...range(1, 200))
    const publisher = start()
    tell(session)
    await waitFor('the window to be full', () => sent.length === 64)
    expect(publisher.mode).toBe('draining')
    add(1001, 1002)
    for (const { acknowledge } of sent.slice(0, 4)) acknowledge()
    await waitFor('four more', () => sent.length === 68)
    expect(sent.slice(64).map(({ number }) => number)).toEqual([1001, 1002, 65, 66])
  })

  it('machines that are all read at once stay live, however many they are and however long the backlog', async () => {
    add(...range(1, 200))
    start(30)
    tell(session)
    await waitFor('the window to be full', () => sent.length === 64)
    add(...range(1001, 1040))
    const acknowledgeAll = setInterval(() => sent.forEach(({ acknowledge }) => acknowledge()), 5)
    await waitFor('them and the next', () => sent.length > 104)
    clearInterval(acknowledgeAll)
    expect(sent.slice(64, 105).map(({ number }) => number)).toEqual([...range(1001, 1040), 65])
  })

  it('live messages that lag by more than ten seconds of the budget become backlog, and none is lost', async () => {
    start(5)
    tell(session)
    add(...range(1, 100))
    await waitFor('the window to be full', () => sent.length === 64)
    add(1001)
    const acknowledgeAll = setInterval(() => sent.forEach(({ acknowledge }) => acknowledge()), 5)
    await waitFor('all', () => outbox.count === 0)
    clearInterval(acknowledgeAll)
    expect(sent[64]!.number).toBe(1001)
    expect(new Set(sent.map(({ number }) => number))).toEqual(new Set([...range(1, 100), 1001]))
    expect(sent).toHaveLength(101)
  })

  it('long texts count with their bytes, not with their characters', async () => {
    const values = Object.fromEntries(range(1, 64).map((tag) => [`t${tag}`, '温'.repeat(128)]))
    outbox.add(range(1, 60).map(() => ({ machine: 'pump-1', timestamp: Date.now(), values })))
    start(1)
    tell(session)
    await waitFor('the first', () => sent.length > 0)
    const bytes = Buffer.byteLength(outbox.peek({ after: 0, until: 1, limit: 1 })[0]!.payload)
    expect(sent.length * bytes).toBeLessThan(512 * 1024)
  })

  it('after a new session everything unacknowledged is sent again', async () => {
    add(1, 2, 3)
    start()
    tell(session)
    await waitFor('the first round', () => sent.length === 3)
    sent[1]!.acknowledge()
    tell(undefined)
    sent[0]!.acknowledge()
    tell(session)
    await waitFor('the second round', () => sent.length === 5)
    expect(sent.slice(3).map(({ number }) => number)).toEqual([1, 3])
  })
})
