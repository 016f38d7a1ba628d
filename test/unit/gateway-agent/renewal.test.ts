import { once } from 'node:events'
import { existsSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { describe, expect, it } from 'vitest'
import type { AgentStatus } from '../../../gateway-agent/src/agent-status.ts'
import { identityFiles, readIdentity, type Identity } from '../../../gateway-agent/src/identity.ts'
import { endsSoon } from '../../../gateway-agent/src/renewal.ts'
import { finishReplacement } from '../../../gateway-agent/src/replace-identity.ts'
import type { OnlineStatusV1, StatusV1 } from '../../../schemas/status.ts'
import type { TelemetryV1 } from '../../../schemas/telemetry.ts'
import { startAgent, type RunningAgent } from './agent-process.ts'
import { createAuthority, type Validity } from './test-authority.ts'
import type { Moment } from './test-cloud.ts'
import { keepIdentity, testIdentity } from './test-identity.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { waitFor } from './wait-for.ts'

const counting = (port: number) => `version: 1
dataDir: data
devices: [{ name: plc-1, driver: modbus-tcp, host: 127.0.0.1, port: ${port} }]
machines:
  - { slug: pump-1, device: plc-1, intervalMs: 50, tags: { count: { address: "holding:1" } } }
`
const identityOf = ({ folder }: RunningAgent) => readIdentity(join(folder, 'data'))
const identityFolders = ({ folder }: RunningAgent) =>
  readdirSync(join(folder, 'data')).filter((name) => name.startsWith('identity'))
const telemetry = ({ broker }: RunningAgent) =>
  broker.received
    .filter(({ topic }) => topic.endsWith('/pump-1/telemetry'))
    .map(({ topic, payload }) => ({ topic, ...(JSON.parse(payload) as TelemetryV1) }))
const statuses = ({ broker }: RunningAgent) =>
  broker.received
    .filter(({ topic }) => topic.endsWith('/status'))
    .map(({ topic, payload }) => ({ topic, ...(JSON.parse(payload) as StatusV1) }))
const status = async (running: RunningAgent) =>
  JSON.parse((await running.command('status', '--json')).stdout) as AgentStatus

const seqsOf = (running: RunningAgent) =>
  [...new Set(telemetry(running).map(({ seq }) => seq))].toSorted((a, b) => a - b)

/**
 * Stops it. Every seq from the first to the last, none twice with another content; what was in flight when a connection
 * ended comes again after what is live.
 */
async function expectNoneMissing(running: RunningAgent): Promise<void> {
  await waitFor('what was in flight', () => {
    const seqs = seqsOf(running)
    return seqs.at(-1)! - seqs[0]! === seqs.length - 1
  })
  await running.stop()
  const bySeq = new Map(telemetry(running).map((message) => [message.seq, message.values.count]))
  const seqs = seqsOf(running)
  expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => seqs[0]! + index))
  for (const { seq, values } of telemetry(running)) expect(values.count).toBe(bySeq.get(seq))
}

/** Whether the broker lets this identity in: it says so only after the handshake (TLS 1.3). */
async function isTaken({ broker }: RunningAgent, { privateKey, certificatePem, caPem }: Identity): Promise<boolean> {
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const socket = connect({ host: '127.0.0.1', port: broker.port, key, cert: certificatePem, ca: caPem })
  socket.write(Buffer.from('101000044d5154540402001e000474657374', 'hex'))
  const isAnswered = await Promise.race([
    once(socket, 'data').then(
      () => true,
      () => false,
    ),
    once(socket, 'close').then(() => false),
  ])
  socket.destroy()
  return isAnswered
}

async function startCounting(options: { validity?: Validity } = {}): Promise<RunningAgent> {
  const running = await startAgent(counting, options)
  let count = 0
  const timer = setInterval(() => running.plc.holding.set(1, (count += 1)), 7)
  running.plc.holding.set(1, 0)
  timer.unref()
  await waitFor('telemetry', () => telemetry(running).length > 5, 30_000)
  return running
}

describe('a new certificate', { timeout: 120_000 }, () => {
  it('on command, while values count up: one reconnect, no will, nothing missing, the old one refused', async () => {
    const running = await startCounting()
    const old = identityOf(running)
    running.cloud.isRotating = true
    running.process.kill('SIGHUP')
    await waitFor('the new certificate to be in force', () => running.output().includes('is in force, and'), 30_000)
    const before = telemetry(running).length
    await waitFor('telemetry by it', () => telemetry(running).length > before + 20)

    const renewed = identityOf(running)
    expect([...running.cloud.valid.keys()]).toEqual([renewed.certificateId])
    expect(renewed.certificateId).not.toBe(old.certificateId)
    expect(await isTaken(running, renewed)).toBe(true)
    expect(await isTaken(running, old)).toBe(false)
    expect(identityFolders(running)).toEqual(['identity'])
    const { certificate, connection } = await status(running)
    expect(certificate).toMatchObject({ id: renewed.certificateId, renewal: { state: 'none', fault: null } })
    expect(connection.isConnected).toBe(true)
    expect(new Set(statuses(running).map(({ state }) => state))).toEqual(new Set(['online']))
    expect(new Set(statuses(running).map(({ sessionId }) => sessionId)).size).toBe(2)
    await expectNoneMissing(running)
  })

  it('kill -9 at each step: the next start goes on where it was, and every reading arrives', async () => {
    const running = await startCounting()
    const moments: Moment[] = ['before renew', 'after renew', 'before confirm', 'after confirm']
    /** Kills the agent the first time that `hook` is called. */
    const killAt = async (arm: (kill: () => void) => void) => {
      const ended = once(running.process, 'close')
      arm(() => running.process.kill('SIGKILL'))
      running.cloud.isRotating = true
      running.process.kill('SIGHUP')
      await ended
      running.cloud.interrupt = () => false
      running.broker.onConnect = () => undefined
      const before = identityOf(running).certificateId
      running.start()
      await waitFor(
        'the end of the rotation',
        () => !running.cloud.isRotating && running.cloud.valid.size === 1,
        30_000,
      )
      await waitFor('the new identity in the place of the old one', () => identityFolders(running).length === 1)
      expect(running.cloud.valid.has(identityOf(running).certificateId)).toBe(true)
      return before
    }
    for (const moment of moments) {
      await killAt((kill) => {
        running.cloud.interrupt = (now) => {
          if (now === moment) kill()
          return now === moment
        }
      })
    }
    // The certificate is on the disk, and the broker is about to hear of it.
    const old = await killAt((kill) => (running.broker.onConnect = kill))
    expect(running.cloud.valid.has(old)).toBe(false)
    const before = telemetry(running).length
    await waitFor('telemetry', () => telemetry(running).length > before + 20)
    await expectNoneMissing(running)
  })

  it('that the broker refuses: the old one goes on, and later the new one is tried again', async () => {
    const running = await startCounting()
    const old = identityOf(running)
    const newFiles = identityFiles(join(running.folder, 'data'), 'identity.new')
    running.cloud.isRotating = true
    // Deaf to the first CONNECT after the new certificate is there.
    let refused = 0
    running.broker.onConnect = () => {
      if (refused > 0 || !existsSync(newFiles.identity)) return
      refused += 1
      running.broker.cut()
    }
    running.process.kill('SIGHUP')
    await waitFor('the refusal', () => refused === 1, 30_000)
    const before = telemetry(running).length
    await waitFor('telemetry by the old one', () => telemetry(running).length > before + 20)
    const { certificate } = await status(running)
    expect(certificate).toMatchObject({ id: old.certificateId, renewal: { state: 'received' } })
    expect((await running.command('status')).stdout).toContain(
      'being replaced: the new one is here, and the broker has to take it',
    )
    running.process.kill('SIGHUP')
    await waitFor('the second trial', () => running.output().includes('is in force, and'), 30_000)
    expect(identityOf(running).certificateId).not.toBe(old.certificateId)
    await expectNoneMissing(running)
  })

  it('by itself before the present one ends', async () => {
    const hour = 3_600_000
    const running = await startCounting({
      validity: { notBefore: new Date(Date.now() - 3 * hour), notAfter: new Date(Date.now() + hour) },
    })
    await waitFor('the new certificate', () => running.output().includes('is in force, and'), 30_000)
    expect(running.output()).toContain('certificate: getting a new one: the present one ends at')
    // The new one ends at the same time, which is no reason to get another.
    const { certificateId } = identityOf(running)
    const { askedAt } = (await status(running)).certificate.renewal
    running.process.kill('SIGHUP')
    for (;;) if ((await status(running)).certificate.renewal.askedAt! > askedAt!) break
    expect([...running.cloud.valid.keys()]).toEqual([certificateId])
  })

  it('that the cloud wants no more is given up', async () => {
    const running = await startCounting()
    const old = identityOf(running)
    running.cloud.isRotating = true
    running.broker.onConnect = () => running.broker.cut()
    running.process.kill('SIGHUP')
    await waitFor('the new certificate', () => running.cloud.valid.size === 2, 30_000)
    running.cloud.isRotating = false
    running.cloud.valid = new Map([[old.certificateId, old.certificatePem]])
    running.broker.onConnect = () => undefined
    running.process.kill('SIGHUP')
    await waitFor('the end', () => running.output().includes('the cloud wants no new one any more'), 30_000)
    expect(existsSync(join(running.folder, 'data/identity.new'))).toBe(false)
    const before = telemetry(running).length
    await waitFor('telemetry by the old one', () => telemetry(running).length > before + 5)
  })
})

describe('a cloud that does not answer', { timeout: 60_000 }, () => {
  it('is told in the status, and holds up no reading', async () => {
    const running = await startCounting()
    running.cloud.isAway = true
    running.process.kill('SIGHUP')
    await waitFor('the fault', () => running.output().includes('refused with 503 internal: away'))
    const { certificate, connection } = await status(running)
    expect(certificate.renewal.fault).toContain('/v1/identity/check: refused with 503 internal: away')
    expect(connection.isConnected).toBe(true)
    running.cloud.isAway = false
    running.process.kill('SIGHUP')
    for (;;) if ((await status(running)).certificate.renewal.fault === null) break
  })
})

describe('a gateway that was moved', { timeout: 60_000 }, () => {
  it('asks when the broker refuses its topics, takes the new ones, and sends there what waits', async () => {
    const running = await startCounting()
    const { broker, cloud } = running
    cloud.place = {
      ...cloud.place,
      plant: 'sur',
      topics: {
        telemetry: 'factory/granix/ba/sur/{machine}/telemetry',
        status: 'ops/granix/ba/sur/gateway/granix-ba-gateway-1/status',
      },
    }
    broker.forbids = (topic) => topic.includes('/norte/')
    const atNew = () => telemetry(running).filter(({ topic }) => topic.includes('/sur/'))
    await waitFor('telemetry of the new plant', () => atNew().length > 20, 40_000)
    expect(running.output()).toContain(
      'moved to plant sur (ba): publishing to factory/granix/ba/sur/{machine}/telemetry',
    )
    expect(identityOf(running)).toMatchObject({ plant: 'sur', topics: cloud.place.topics })
    const { topic, ...online } = statuses(running).at(-1)!
    expect(topic).toBe(cloud.place.topics.status)
    const { first, carried } = (online as OnlineStatusV1).ledger!['pump-1']!
    // What was declared for the machine of the old plant is not declared again for that of the new one.
    const old = telemetry(running).filter((each) => each.topic.includes('/norte/'))
    expect(first).toBeGreaterThan(old.at(-1)!.seq)
    expect(carried!.at(-1)![1]).toBe(first - 1)
    // Live goes first: the backlog is still on its way.
    await running.plc.stop()
    for (;;) if ((await status(running)).buffer.messages === 0) break
    await expectNoneMissing(running)
  })
})

describe('the identity on disk', () => {
  it('is whole after a kill between the two renames of its replacement', async () => {
    const folder = temporaryFolder()
    const dataDir = join(folder, 'data')
    const authority = await createAuthority()
    keepIdentity(folder, await testIdentity(authority, 8883))
    renameSync(identityFiles(dataDir).directory, identityFiles(dataDir, 'identity.new').directory)
    keepIdentity(folder, await testIdentity(authority, 8883))
    const { certificateId } = readIdentity(dataDir)
    renameSync(identityFiles(dataDir).directory, identityFiles(dataDir, 'identity.old').directory)
    finishReplacement(dataDir)
    expect(readIdentity(dataDir).certificateId).not.toBe(certificateId)
    expect(readdirSync(dataDir)).toEqual(['identity'])
  })

  it.each([
    ['of AWS IoT, to 2049', '2025-01-01', '2049-12-31', '2049-11-30', false],
    ['of AWS IoT, in its last 30 days', '2025-01-01', '2049-12-31', '2049-12-02', true],
    ['of a week, with three days left', '2025-01-01', '2025-01-08', '2025-01-05', false],
    ['of a week, with two days left', '2025-01-01', '2025-01-08', '2025-01-06', true],
    ['that has ended', '2025-01-01', '2025-01-08', '2025-01-09', true],
  ])('a certificate %s', async (_, from, to, now, expected) => {
    const authority = await createAuthority()
    const { certificatePem } = await authority.issue('x', { notBefore: new Date(from), notAfter: new Date(to) })
    expect(endsSoon(certificatePem, Date.parse(now))).toBe(expected)
  })
})
