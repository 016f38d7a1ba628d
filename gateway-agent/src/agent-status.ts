import { X509Certificate } from 'node:crypto'
import packageJson from '../../package.json' with { type: 'json' }
import type { OnlineStatusV1 } from '../../schemas/status.ts'
import type { Scalar } from '../../schemas/telemetry.ts'
import type { Agent } from './agent.ts'
import type { DataValue } from './drivers/driver.ts'
import type { ConnectionCondition } from './mqtt-connection.ts'
import type { SetAside } from './outbox-file.ts'
import type { RenewalStatus } from './renewal.ts'

/** What the running agent knows of itself: `gateway-agent status --json`. Times in epoch ms. */
export interface AgentStatus {
  version: string
  thingName: string
  uptimeSec: number
  connection: ConnectionCondition
  certificate: { id: string; expiresAt: number; renewal: RenewalStatus }
  buffer: BufferStatus
  devices: DeviceStatus[]
  tags: TagStatus[]
}

export interface BufferStatus {
  mode: 'live' | 'draining' | 'storing'
  messages: number
  usedBytes: number
  maxBytes: number
  freeDiskBytes: number
  /** Messages that had to go unsent, ever. */
  droppedMessages: number
  /** Until the oldest would have to go if nothing could be sent from now on, at the rate of the last minute; null when nothing is read. */
  runwaySec: number | null
  setAside: SetAside | null
}

export interface DeviceStatus {
  name: string
  driver: string
  isUp: boolean
  cycleMs: { last: number; longest: number }
  /** Instants that were not read because the read before took too long. */
  skippedCycles: number
  /** Readings that the outbox could not store. */
  lostReadings: number
}

export interface TagStatus {
  machine: string
  name: string
  value: Scalar
  unit: string | null
  quality: DataValue['quality']
  fault: string | null
  /** Of the read. */
  timestamp: number
}

export function statusOf(agent: Agent): AgentStatus {
  const { identity, connection, polling, renewal } = agent
  const polled = [...polling.devices]
  return {
    version: packageJson.version,
    thingName: identity.thingName,
    uptimeSec: Math.floor(process.uptime()),
    connection: connection.condition,
    certificate: {
      id: identity.certificateId,
      expiresAt: Date.parse(new X509Certificate(identity.certificatePem).validTo),
      renewal: renewal.status,
    },
    buffer: bufferOf(agent),
    devices: polled.map(({ configuration, device, poller }) => ({
      name: configuration.name,
      driver: configuration.driver,
      isUp: device.isUp,
      cycleMs: poller.cycleMs,
      skippedCycles: poller.skippedCycles,
      lostReadings: poller.lostReadings,
    })),
    tags: polled
      .flatMap(({ poller }) => [...poller.samples])
      .map(({ machine, tag, value, at }) => ({
        ...{ machine, name: tag.name, value: value.value, unit: tag.unit ?? null, quality: value.quality },
        ...{ fault: value.fault ?? null, timestamp: at },
      })),
  }
}

export function bufferOf({ outbox, publisher, addedRate }: Agent): BufferStatus {
  const { usedBytes, roomBytes, maxBytes, freeDiskBytes, droppedCount } = outbox.extent
  const { bytesPerSec } = addedRate
  return {
    mode: publisher.mode,
    messages: outbox.count,
    ...{ usedBytes, maxBytes, freeDiskBytes, droppedMessages: droppedCount },
    runwaySec: bytesPerSec > 0 ? Math.floor(roomBytes / bytesPerSec) : null,
    setAside: outbox.setAside ?? null,
  }
}

/** The same in short, for the heartbeat. */
export function bufferHealthOf(agent: Agent): OnlineStatusV1['health']['buffer'] {
  const { mode, messages, usedBytes, runwaySec } = bufferOf(agent)
  const maxBytes = usedBytes + agent.outbox.extent.roomBytes
  return { mode, queuedMessages: messages, usedBytes, maxBytes, ...(runwaySec !== null && { runwaySec }) }
}
