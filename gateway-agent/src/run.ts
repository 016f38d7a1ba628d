import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import packageJson from '../../package.json' with { type: 'json' }
import { messagesPerSecond, type Configuration } from './configuration.ts'
import { Device } from './drivers/device.ts'
import { openDriver } from './drivers/open-driver.ts'
import { Failure, messageOf } from './failure.ts'
import { Heartbeat, offlineStatus } from './heartbeat.ts'
import { readIdentity, telemetryTopicOf, type Identity } from './identity.ts'
import type { Log } from './log.ts'
import { MqttConnection } from './mqtt-connection.ts'
import { Outbox } from './outbox.ts'
import { Poller } from './poller.ts'
import { Publisher } from './publisher.ts'

/** No reading is older than this product: a clock before it was never set, and the cloud refuses what it stamps. */
const OLDEST_CLOCK = Date.UTC(2025, 0, 1)
/** How long an orderly stop waits for PUBACKs; what is still unacknowledged is sent again after the next start. */
const LAST_ACKS_MS = 3000

/** What the steps build up, in their order. */
interface Agent {
  readonly configuration: Configuration
  readonly identity: Identity
  readonly log: Log
  outbox: Outbox
  devices: Device[]
  connection: MqttConnection
  heartbeat: Heartbeat
  publisher: Publisher
}

type Stop = () => Promise<void> | void
/** Starts one part and returns how to stop it. */
type Step = (agent: Agent) => Promise<Stop> | Stop

/**
 * The order of the start; the stop is the same list backwards. So nothing is read before it can be stored, nothing is
 * added any more when the publisher waits for its last PUBACKs, and `offline` is the last word before DISCONNECT.
 */
const STEPS: readonly Step[] = [
  checkClock,
  openOutbox,
  openDevices,
  connectToBroker,
  startHeartbeat,
  startPublisher,
  startPollers,
]

/** Runs until `stopped`, then stops in order. Throws a Failure when it cannot start. */
export async function run(configuration: Configuration, log: Log, stopped: AbortSignal): Promise<void> {
  const identity = readIdentity(configuration.dataDir)
  for (const { slug } of configuration.machines) telemetryTopicOf(identity, slug)
  const agent = { configuration, identity, log } as Agent
  const stops: Stop[] = []
  try {
    for (const step of STEPS) {
      if (stopped.aborted) break
      stops.push(await step(agent))
    }
    if (!stopped.aborted) await new Promise((resolve) => stopped.addEventListener('abort', resolve, { once: true }))
    log.info('stopping')
  } finally {
    for (const stop of stops.reverse()) {
      await Promise.resolve(stop()).catch((error: unknown) => log.error(`while stopping: ${messageOf(error)}`))
    }
  }
}

function checkClock({ configuration, log }: Agent): Stop {
  if (Date.now() < OLDEST_CLOCK) {
    throw new Failure(`the clock says ${new Date().toISOString()}; set it, for instance by NTP, then start again`, 1)
  }
  const perSecond = messagesPerSecond(configuration)
  const budget = configuration.mqtt.publishesPerSecond
  if (perSecond > budget) {
    log.warn(
      `${configuration.file}: ${perSecond.toFixed(1)} messages/s, but only ${budget} may be sent; lengthen intervalMs`,
    )
  }
  return () => undefined
}

function openOutbox(agent: Agent): Stop {
  const { dataDir, buffer } = agent.configuration
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new Failure(`${dataDir}: cannot create dataDir: ${messageOf(error)}`, 1)
  }
  agent.outbox = new Outbox(join(dataDir, 'outbox.sqlite'), buffer, ({ file }, reason) =>
    agent.log.error(
      `outbox: damaged (${reason}); set aside as ${join(dataDir, file)}, and a new one begun. What it still held was not ` +
        'sent; check the disk, then remove that file',
    ),
  )
  agent.log.info(`outbox: ${agent.outbox.count} messages wait`)
  return () => agent.outbox.close()
}

async function openDevices(agent: Agent): Promise<Stop> {
  const { configuration, log } = agent
  agent.devices = await Promise.all(
    configuration.devices.map(async (device) => {
      const onLinkChange = () => agent.heartbeat.beat()
      return new Device({ name: device.name, driver: await openDriver(device), log, onLinkChange })
    }),
  )
  return async () => {
    await Promise.all(agent.devices.map((device) => device.close()))
  }
}

function connectToBroker(agent: Agent): Stop {
  const { configuration, identity, log } = agent
  agent.connection = new MqttConnection({
    identity,
    port: configuration.mqtt.port,
    proxy: configuration.proxy,
    will: (sessionId) => offlineStatus(identity.topics.status, 'unexpected_disconnect', sessionId),
    log,
  })
  return () => agent.connection.stop()
}

function startHeartbeat(agent: Agent): Stop {
  const { identity, connection, outbox, devices } = agent
  agent.heartbeat = new Heartbeat({
    topic: identity.topics.status,
    gateway: { thingName: identity.thingName, version: packageJson.version },
    connection,
    vitals: () => ({
      plcLink: devices.every(({ isUp }) => isUp) ? 'up' : 'down',
      buffer: { mode: agent.publisher.mode, queuedMessages: outbox.count },
      ledger: outbox.ledger(),
      outboxSetAside: outbox.setAside,
    }),
  })
  return () => agent.heartbeat.stop()
}

function startPublisher(agent: Agent): Stop {
  const { configuration, identity, connection, outbox, log } = agent
  const topics = new Map(configuration.machines.map(({ slug }) => [slug, telemetryTopicOf(identity, slug)]))
  agent.publisher = new Publisher({
    outbox,
    connection,
    // The outbox may still hold readings of a machine that has left the configuration.
    topicOf: (machine) => topics.get(machine) ?? telemetryTopicOf(identity, machine),
    publishesPerSecond: configuration.mqtt.publishesPerSecond,
    log,
  })
  return () => agent.publisher.stop(LAST_ACKS_MS)
}

function startPollers({ configuration, devices, outbox, log }: Agent): Stop {
  const pollers = devices.map((device) => new Poller({ device, machines: configuration.machines, outbox, log }))
  const tags = configuration.machines.reduce((sum, machine) => sum + machine.tags.length, 0)
  log.info(`reading ${tags} tags of ${configuration.machines.length} machines on ${devices.length} devices`)
  return async () => {
    await Promise.all(pollers.map((poller) => poller.stop()))
  }
}
