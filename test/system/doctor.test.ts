/** `npm run doctor` against the local system: well where it is, and what it says where it is not. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ListQueuesCommand, PurgeQueueCommand, SendMessageCommand } from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { examine } from '../../cdk/doctor/doctor.ts'
import { localStage, type Stage } from '../../cdk/doctor/stage.ts'

const repository = join(import.meta.dirname, '../..')
const endpoints = inject('endpoints')
const caFile = resolve(endpoints.mqtt.caFile)
/** As the folder of a repository in which it runs. */
const folder = mkdtempSync(join(tmpdir(), 'doctor-'))
let stage: Stage
let deadLetters: string

beforeAll(async () => {
  const here = { ...endpoints, mqtt: { ...endpoints.mqtt, caFile } }
  mkdirSync(join(folder, '.local'))
  writeFileSync(join(folder, '.local/endpoints.json'), JSON.stringify(here))
  stage = localStage(here, (path) => readFileSync(path, 'utf8'))
  const { QueueUrls = [] } = await stage.sqs.send(
    new ListQueuesCommand({ QueueNamePrefix: 'iot-telemetry-dev-exports' }),
  )
  deadLetters = QueueUrls.find((url) => url.includes('DeadLetters'))!
})
afterAll(async () => {
  await stage.sqs.send(new PurgeQueueCommand({ QueueUrl: deadLetters }))
  stage.sqs.destroy()
  rmSync(folder, { recursive: true })
})

const doctor = (...options: string[]) => {
  const { promise, resolve: done } = Promise.withResolvers<{ code: unknown; out: string; err: string }>()
  const script = join(repository, 'cdk/doctor/doctor.ts')
  execFile(process.execPath, [script, ...options], { cwd: folder }, (error, out, err) =>
    done({ code: error?.code ?? 0, out, err }),
  )
  return promise
}

it('finds the running system well, but for a dead letter, which it names', async () => {
  await stage.sqs.send(new SendMessageCommand({ QueueUrl: deadLetters, MessageBody: 'x' }))
  const { code, out } = await doctor('--local')
  expect(code).toBe(1)
  const lines = out.trim().split('\n')
  for (const what of ['deployment', 'web page', 'API', 'live socket', 'certificates', 'Firebase project'])
    expect(lines).toContain(`ok     ${what}`)
  // Other tests may have left letters elsewhere, and alarms that ring.
  expect(lines.find((line) => line.includes('exports'))).toMatch(
    /^WRONG {2}queues: .*DeadLetters.* holds 1 dead letters/,
  )
})

it('says of each part that it is away, or another one', async () => {
  const away = 'http://127.0.0.1:1'
  const { lines, isWell } = await examine({
    ...{ name: 'nobody', webUrl: away, apiUrl: stage.webUrl, realtimeUrl: stage.webUrl, identityUrl: away },
    // Signed by an authority that nobody knows.
    mqtt: { host: stage.mqtt.host, port: stage.mqtt.port },
    ...{ sqs: stage.sqs, faults: ['stack x is ROLLBACK_COMPLETE'] },
    alarms: () => Promise.resolve([{ name: 'Telemetry: dead letters [dev]', state: 'ALARM' }]),
  })
  expect(isWell).toBe(false)
  expect(lines.filter((line) => line.startsWith('ok'))).toEqual([])
  const said = lines.join('\n')
  for (const part of [
    'fetch failed',
    'ROLLBACK_COMPLETE',
    'without a ticket',
    'certificate',
    'there are no queues',
    'rings',
  ])
    expect(said).toContain(part)
})

it('finds a project that does not take the key, and a way of signing in that is switched off', async () => {
  const answers = ['API key not valid. Please pass a valid API key.', 'PASSWORD_LOGIN_DISABLED']
  for (const [index, words] of ['is not to be had', 'lets nobody sign in'].entries()) {
    const body = JSON.stringify({ error: { message: answers[index] } })
    const identityUrl = `data:application/json,${encodeURIComponent(body)}#`
    expect((await examine({ ...stage, identityUrl })).lines.join('\n')).toContain(words)
  }
})

it('wants a stage, or this machine', async () => {
  expect(await doctor()).toMatchObject({ code: 2, err: expect.stringContaining('Usage:') as string })
})
