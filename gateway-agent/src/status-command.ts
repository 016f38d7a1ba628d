import type { AgentStatus, BufferStatus } from './agent-status.ts'
import { askOnce } from './ask-agent.ts'
import { columns } from './columns.ts'

const DAY_SEC = 86_400
const MEGABYTE = 1024 * 1024

/** Prints how the running agent is. Returns whether all is well: connected, and every device answers. */
export async function printStatus(dataDir: string, asJson: boolean, print: (line: string) => void): Promise<boolean> {
  const status = await askOnce<AgentStatus>(dataDir, { command: 'status' })
  if (asJson) print(JSON.stringify(status))
  else for (const line of linesOf(status, Date.now())) print(line)
  return status.connection.isConnected && status.devices.every(({ isUp }) => isUp)
}

const RENEWAL_WORDS = {
  requested: 'being replaced: a new one is asked for',
  received: 'being replaced: the new one is here, and the broker has to take it',
  proven: 'being replaced: the broker takes the new one, and the cloud has to end this one',
}

export function linesOf(status: AgentStatus, now: number): string[] {
  const { connection, certificate, devices, tags } = status
  const { expiresAt, renewal } = certificate
  const daysLeft = Math.floor((expiresAt - now) / 1000 / DAY_SEC)
  return [
    `${status.thingName}  gateway-agent ${status.version}, up ${duration(status.uptimeSec)}`,
    connection.isConnected
      ? `connection   connected to ${connection.address} for ${duration((now - connection.since) / 1000)}`
      : `connection   NOT connected for ${duration((now - connection.since) / 1000)}: ${connection.reason}`,
    `certificate  until ${new Date(expiresAt).toISOString().slice(0, 10)}, ${daysLeft} days`,
    ...(renewal.state === 'none' ? [] : [`             ${RENEWAL_WORDS[renewal.state]}`]),
    ...(renewal.fault === null ? [] : [`cloud        does NOT answer as it should: ${renewal.fault}`]),
    ...bufferLines(status.buffer),
    '',
    ...columns([
      ['device', 'driver', 'link', 'cycle ms', 'longest', 'skipped', 'lost'],
      ...devices.map(({ name, driver, isUp, cycleMs, skippedCycles, lostReadings }) => [
        ...[name, driver, isUp ? 'up' : 'DOWN', cycleMs.last.toFixed(0), cycleMs.longest.toFixed(0)],
        ...[String(skippedCycles), String(lostReadings)],
      ]),
    ]),
    '',
    ...columns([
      ['machine', 'tag', 'value', 'quality', 'age'],
      ...tags.map(({ machine, name, value, unit, quality, fault, timestamp }) => [
        ...[
          machine,
          name,
          `${typeof value === 'string' ? JSON.stringify(value) : String(value)}${unit ? ` ${unit}` : ''}`,
        ],
        ...[fault ? `${quality}: ${fault}` : quality, duration((now - timestamp) / 1000)],
      ]),
    ]),
  ]
}

export function bufferLines(buffer: BufferStatus): string[] {
  const { mode, messages, usedBytes, maxBytes, runwaySec, droppedMessages, setAside } = buffer
  const runway =
    runwaySec === null ? 'nothing is read' : `room for ${duration(runwaySec)} without connection at the present rate`
  return [
    `buffer       ${mode}, ${messages} messages, ${(usedBytes / MEGABYTE).toFixed(1)} of ${(maxBytes / MEGABYTE).toFixed(0)} MB, ${runway}`,
    ...(droppedMessages > 0 ? [`             ${droppedMessages} messages had to be dropped, and were declared`] : []),
    ...(setAside
      ? [`             DAMAGED on ${new Date(setAside.at).toISOString()}: what it held is in ${setAside.file}`]
      : []),
  ]
}

/** The two largest units: 3 d 4 h, 12 min 5 s, 0.4 s. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`
  const whole = Math.floor(seconds)
  const parts = [
    [Math.floor(whole / DAY_SEC), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ] as const
  const first = parts.findIndex(([count]) => count > 0)
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}
