import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { AgentStatus } from '../../../gateway-agent/src/agent-status.ts'
import type { ExportedMessage } from '../../../gateway-agent/src/buffer-contents.ts'
import { duration, linesOf } from '../../../gateway-agent/src/status-command.ts'
import type { OnlineStatusV1 } from '../../../schemas/status.ts'
import type { TelemetryV1 } from '../../../schemas/telemetry.ts'
import { startHttpProxy } from '../../helpers/http-proxy.ts'
import { agent, startAgent, type RunningAgent } from './agent-process.ts'
import { STATUS_TOPIC } from './test-identity.ts'
import { waitFor } from './wait-for.ts'

const oneMachine = (port: number, tags = 'count: { address: "holding:1", unit: bar }') => `version: 1
dataDir: data
devices:
  - { name: plc-1, driver: modbus-tcp, host: 127.0.0.1, port: ${port}, timeoutMs: 300 }
machines:
  - { slug: pump-1, device: plc-1, intervalMs: 100, tags: { ${tags} } }
`
const telemetry = ({ broker }: RunningAgent, machine: string) =>
  broker.received
    .filter(({ topic }) => topic === `factory/granix/ba/norte/${machine}/telemetry`)
    .map(({ payload }) => JSON.parse(payload) as TelemetryV1)

const beats = ({ broker }: RunningAgent) =>
  broker.received
    .filter(({ topic }) => topic === STATUS_TOPIC)
    .map(({ payload }) => JSON.parse(payload) as OnlineStatusV1)

describe('a running agent', { timeout: 60_000 }, () => {
  it('tells its status, its log and its buffer over a socket that is its own', async () => {
    const running = await startAgent((port) => oneMachine(port))
    running.plc.holding.set(1, 42)
    await waitFor('telemetry', () => telemetry(running, 'pump-1').length > 2, 20_000)
    const { code, stdout } = await running.command('status', '--json')
    const status = JSON.parse(stdout) as AgentStatus
    expect(status).toMatchObject({
      thingName: 'granix-ba-gateway-1',
      connection: { isConnected: true, address: `127.0.0.1:${running.broker.port}` },
      buffer: { mode: 'live', maxBytes: 2 ** 30, droppedMessages: 0, setAside: null },
      devices: [{ name: 'plc-1', driver: 'modbus-tcp', isUp: true, lostReadings: 0 }],
      tags: [{ machine: 'pump-1', name: 'count', value: 42, unit: 'bar', quality: 'good', fault: null }],
    })
    expect(status.buffer.runwaySec).toBeGreaterThan(1000)
    expect(Date.now() - status.tags[0]!.timestamp).toBeLessThan(10_000)
    expect(status.certificate.expiresAt).toBeGreaterThan(Date.now())
    expect(status.certificate.renewal.state).toBe('none')
    expect(code).toBe(0)
    expect(statSync(join(running.folder, 'data/agent.sock')).mode & 0o777).toBe(0o600)

    const human = await running.command('status')
    expect(human.stdout).toMatch(/connection {3}connected to 127\.0\.0\.1:\d+ for /)
    expect(human.stdout).toMatch(/pump-1 +count +42 bar +good +0\.\d s/)
    const logs = await running.command('logs')
    expect(logs.stdout).toContain('INFO  reading 1 tags of 1 machines on 1 devices')

    await running.plc.stop()
    await waitFor('the loss', () => telemetry(running, 'pump-1').at(-1)!.values.count === null)
    const down = await running.command('status')
    expect(down.code).toBe(1)
    expect(down.stdout).toMatch(/plc-1 +modbus-tcp +DOWN/)
    await waitFor('the heartbeat', () => beats(running).at(-1)!.health.plcLink === 'down')
    const { health } = beats(running).at(-1)!
    expect(health.buffer.runwaySec).toBeGreaterThan(1000)
    expect(health.buffer.maxBytes).toBeGreaterThan(health.buffer.usedBytes!)
  })

  it('shows, exports and drops what waits; what was dropped is declared, and dropping wants a confirmation', async () => {
    const running = await startAgent((port) => oneMachine(port))
    await waitFor('a connection', () => telemetry(running, 'pump-1').length > 0, 20_000)
    running.broker.acknowledges = false
    await waitFor('messages without PUBACK', () => telemetry(running, 'pump-1').length > 20)
    const shown = await running.command('buffer', 'show', '--json')
    expect((JSON.parse(shown.stdout) as AgentStatus['buffer']).messages).toBeGreaterThan(10)
    const exported = await running.command('buffer', 'export')
    const messages = exported.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as ExportedMessage)
    expect(messages.length).toBeGreaterThan(10)
    expect(messages.every(({ machine, message }) => machine === 'pump-1' && message.seq > 0)).toBe(true)

    const unconfirmed = await running.command('buffer', 'drop')
    expect(unconfirmed).toMatchObject({ code: 2, stdout: '' })
    expect(unconfirmed.stderr).toContain('add --yes')
    const dropped = await running.command('buffer', 'drop', '--yes')
    expect(dropped.stdout).toMatch(/^\d+ messages dropped; the next heartbeat declares them\n$/)
    running.broker.acknowledges = true
    await running.plc.stop()
    const first = messages[0]!.message.seq
    await waitFor('the declaration', () => {
      const ranges = beats(running).at(-1)!.ledger?.['pump-1']?.dropped ?? []
      return ranges.some(([from, to]) => from <= first && first <= to)
    })
    await running.stop()
    const offline = await running.command('buffer', 'show', '--json')
    expect((JSON.parse(offline.stdout) as AgentStatus['buffer']).droppedMessages).toBe(Number.parseInt(dropped.stdout))
  })

  it('takes a changed file over without losing a reading; one with mistakes it refuses, and says why', async () => {
    const running = await startAgent((port) => oneMachine(port))
    const { port } = running.plc
    await waitFor('telemetry', () => telemetry(running, 'pump-1').length > 5, 20_000)

    running.configure(oneMachine(port, 'count: { addres: "holding:1" }'))
    await waitFor('the refusal', () => running.output().includes('is not a key here; did you mean address?'))
    expect(running.output()).toContain('the agent goes on with the one before')
    const before = telemetry(running, 'pump-1').length
    await waitFor('further readings', () => telemetry(running, 'pump-1').length > before + 5)

    running.configure(
      `${oneMachine(port)}  - { slug: robot-2, device: plc-1, intervalMs: 100, tags: { on: { address: "coil:1" } } }\n`,
    )
    running.process.kill('SIGHUP')
    await waitFor('the new machine', () => telemetry(running, 'robot-2').length > 5)
    expect(running.output()).toContain('configuration read again; devices that start anew: plc-1')
    const ofPump = telemetry(running, 'pump-1')
    const seqs = [...new Set(ofPump.map(({ seq }) => seq))]
    expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => seqs[0]! + index))
    const gaps = ofPump.slice(1).map(({ timestamp }, index) => timestamp - ofPump[index]!.timestamp)
    // Two intervals, were this computer doing nothing else.
    expect(Math.max(...gaps)).toBeLessThan(2000)

    running.configure(readFileSync(running.config, 'utf8').replace('dataDir: data', 'dataDir: elsewhere'))
    await waitFor('the second refusal', () => running.output().includes('dataDir cannot change while the agent runs'))
    await running.stop()
    expect(running.process.exitCode).toBe(0)
  })

  it('goes another way to the broker when the configuration says so', async () => {
    const running = await startAgent((port) => oneMachine(port))
    const proxy = await startHttpProxy()
    onTestFinished(() => proxy.stop())
    await waitFor('telemetry', () => telemetry(running, 'pump-1').length > 0, 20_000)
    running.configure(`${oneMachine(running.plc.port)}proxy: { host: 127.0.0.1, port: ${proxy.port} }\n`)
    running.process.kill('SIGHUP')
    await waitFor('the proxy to be asked', () => proxy.asked.length > 0)
    const before = telemetry(running, 'pump-1').length
    await waitFor('telemetry through it', () => telemetry(running, 'pump-1').length > before)
    // What was underway when the way changed comes again behind what is live.
    await waitFor(
      'all readings',
      () => {
        const seqs = new Set(telemetry(running, 'pump-1').map(({ seq }) => seq))
        return Math.max(...seqs) - Math.min(...seqs) + 1 === seqs.size
      },
      20_000,
    )
  })

  it('that does not run is said so', async () => {
    const running = await startAgent((port) => oneMachine(port))
    await waitFor('telemetry', () => telemetry(running, 'pump-1').length > 0, 20_000)
    await running.stop()
    for (const command of ['status', 'logs']) {
      const { code, stderr } = await running.command(command)
      expect(code).toBe(1)
      expect(stderr).toContain('no agent is running with this dataDir')
    }
    expect(await agent('buffer', 'burn', '--config', running.config)).toMatchObject({
      code: 2,
      stderr: 'buffer: "burn" is none of show, export, drop\n',
    })
  })
})

describe('the status for people', () => {
  it('gives durations in their two largest units', () => {
    expect([0.04, 9.96, 75, 3600, 90_061, 86_400 * 400].map(duration)).toEqual([
      '0.0 s',
      '10.0 s',
      '1 min 15 s',
      '1 h 0 min',
      '1 d 1 h',
      '400 d 0 h',
    ])
  })

  it('says what is wrong in capitals', () => {
    const lines = linesOf(
      {
        version: '1',
        thingName: 'granix-ba-gateway-1',
        uptimeSec: 60,
        connection: { isConnected: false, reason: 'proxy p:1: refuses', since: 0 },
        certificate: {
          ...{ id: 'c0ffee', expiresAt: 86_400_000 * 3 },
          renewal: { state: 'received', askedAt: null, fault: 'https://api.example.com: cannot be reached' },
        },
        buffer: {
          ...{
            mode: 'storing',
            messages: 7,
            usedBytes: 2 ** 20,
            maxBytes: 2 ** 30,
            freeDiskBytes: 1,
            droppedMessages: 4,
          },
          ...{ runwaySec: 7200, setAside: { at: 0, file: 'outbox.corrupt-0.sqlite' } },
        },
        devices: [],
        tags: [],
      },
      60_000,
    )
    expect(lines.slice(1, 8)).toEqual([
      'connection   NOT connected for 1 min 0 s: proxy p:1: refuses',
      'certificate  until 1970-01-04, 2 days',
      '             being replaced: the new one is here, and the broker has to take it',
      'cloud        does NOT answer as it should: https://api.example.com: cannot be reached',
      'buffer       storing, 7 messages, 1.0 of 1024 MB, room for 2 h 0 min without connection at the present rate',
      '             4 messages had to be dropped, and were declared',
      '             DAMAGED on 1970-01-01T00:00:00.000Z: what it held is in outbox.corrupt-0.sqlite',
    ])
  })
})
