import { X509Certificate } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import packageJson from '../../package.json' with { type: 'json' }
import { AddedRate } from './added-rate.ts'
import { bufferHealthOf } from './agent-status.ts'
import type { Agent } from './agent.ts'
import type { Configuration } from './configuration.ts'
import { openControlSocket } from './control-socket.ts'
import { Failure, messageOf } from './failure.ts'
import { Heartbeat, offlineStatus } from './heartbeat.ts'
import { readIdentity, telemetryTopicOf, type Identity } from './identity.ts'
import type { LogBook } from './log.ts'
import { MqttConnection } from './mqtt-connection.ts'
import { Outbox } from './outbox.ts'
import { Polling } from './polling.ts'
import { budgetWarning } from './publish-budget.ts'
import { Publisher } from './publisher.ts'
import { Renewal } from './renewal.ts'
import { discardNewIdentity, finishReplacement, readNewIdentity } from './replace-identity.ts'
import { watchConfiguration } from './reload.ts'
import { startWatchdog } from './watchdog.ts'

/** No reading is older than this product: a clock before it was never set, and the cloud refuses what it stamps. */
const OLDEST_CLOCK = Date.UTC(2025, 0, 1)
/** How long an orderly stop waits for PUBACKs; what is still unacknowledged is sent again after the next start. */
const LAST_ACKS_MS = 3000

/** How long it waits for the reads that are under way; systemd ends it after 15 s, and that must not be taken for a crash. */
const LAST_READS_MS = 5000

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
  connectToBroker,
  startHeartbeat,
  startPublisher,
  startPolling,
  startRenewal,
  watchConfiguration,
  openControlSocket,
  startWatchdog,
]

/** Runs until `stopped`, then stops in order. Throws a Failure when it cannot start. */
export async function run(configuration: Configuration, log: LogBook, stopped: AbortSignal): Promise<void> {
  finishReplacement(configuration.dataDir)
  const identity = readIdentity(configuration.dataDir)
  for (const { slug } of configuration.machines) telemetryTopicOf(identity, slug)
  const agent = { configuration, identity, next: newIdentity(configuration.dataDir, log), log } as Agent
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

/** One that is damaged is no reason not to start: it is made again. */
function newIdentity(dataDir: string, log: LogBook): Identity | undefined {
  try {
    return readNewIdentity(dataDir)
  } catch (error) {
    log.warn(`certificate: the new one cannot be used, another is asked for: ${messageOf(error)}`)
    discardNewIdentity(dataDir)
    return undefined
  }
}

function checkClock({ configuration, identity, log }: Agent): Stop {
  const now = Date.now()
  const clock = new Date(now).toISOString()
  if (now < OLDEST_CLOCK) {
    throw new Failure(`the clock says ${clock}; set it, for instance by NTP, then start again`, 1)
  }
  const { validFrom, validTo } = new X509Certificate(identity.certificatePem)
  if (now < Date.parse(validFrom))
    log.warn(`the clock says ${clock}, and the certificate begins at ${validFrom}: set it`)
  if (now > Date.parse(validTo)) {
    log.warn(
      `the clock says ${clock}, and the certificate ended at ${validTo}: enrol this gateway again with a new token`,
    )
  }
  const warning = budgetWarning(configuration)
  if (warning) log.warn(warning)
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
  agent.outbox.declareTo(agent.identity.topics.telemetry)
  agent.addedRate = new AddedRate(() => agent.outbox.extent.addedBytes)
  agent.log.info(`outbox: ${agent.outbox.count} messages wait`)
  return () => {
    agent.addedRate.stop()
    agent.outbox.close()
  }
}

function connectToBroker(agent: Agent): Stop {
  const { configuration, identity, next, log } = agent
  agent.connection = new MqttConnection({
    identities: next ? [next, identity] : [identity],
    port: configuration.mqtt.port,
    proxy: configuration.proxy,
    will: (sessionId) => offlineStatus(agent.identity.topics.status, 'unexpected_disconnect', sessionId),
    log,
  })
  return () => agent.connection.stop()
}

function startHeartbeat(agent: Agent): Stop {
  const { identity, connection, outbox, log } = agent
  agent.polling = new Polling({ outbox, log, onLinkChange: () => agent.heartbeat.beat() })
  agent.heartbeat = new Heartbeat({
    topicOf: () => agent.identity.topics.status,
    gateway: { thingName: identity.thingName, version: packageJson.version },
    connection,
    log,
    vitals: () => ({
      plcLink: agent.polling.isUp ? 'up' : 'down',
      buffer: bufferHealthOf(agent),
      ledger: outbox.ledger(),
      outboxSetAside: outbox.setAside,
    }),
  })
  return () => agent.heartbeat.stop()
}

function startPublisher(agent: Agent): Stop {
  const { configuration, connection, outbox, log } = agent
  agent.publisher = new Publisher({
    outbox,
    connection,
    topicOf: (machine) => telemetryTopicOf(agent.identity, machine),
    publishesPerSecond: configuration.mqtt.publishesPerSecond,
    log,
  })
  return () => agent.publisher.stop(LAST_ACKS_MS)
}

async function startPolling({ configuration, polling, log }: Agent): Promise<Stop> {
  await polling.apply(configuration)
  const { machines, devices } = configuration
  const tags = machines.reduce((sum, machine) => sum + machine.tags.length, 0)
  log.info(`reading ${tags} tags of ${machines.length} machines on ${devices.length} devices`)
  return () => polling.stop(LAST_READS_MS)
}

function startRenewal(agent: Agent): Stop {
  agent.renewal = new Renewal(agent)
  return () => agent.renewal.stop()
}
