/** Deliveries: whom an alarm is told to, how a webhook is called, and what becomes of one that cannot be. */
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SESv2Client } from '@aws-sdk/client-sesv2'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { v7 as uuidv7 } from 'uuid'
import { deliver } from '../../../lambdas/alarm-delivery/deliver.ts'
import { isQuiet } from '../../../lambdas/alarm-delivery/quiet-hours.ts'
import { callWebhook, publicly, type Reach } from '../../../lambdas/alarm-delivery/webhook.ts'
import type { Database } from '../../../lambdas/data/database.ts'
import { expandOutbox } from '../../../lambdas/data/expand-outbox.ts'
import { openPostgres, type Postgres } from '../../../lambdas/runtime/postgres.ts'
import { isPublicAddress, publicAddressesOf } from '../../../lambdas/runtime/public-address.ts'
import { sealSecret } from '../../../lambdas/runtime/seal-secret.ts'
import { rawServer } from '../../../local/http/server.ts'
import { openCertificateAuthority } from '../../../local/iot/certificate-authority.ts'
import { serveMailbox } from '../../../local/mailbox.ts'
import { createPlaces, type Place } from '../../helpers/places.ts'
import { createDatabase, type TestDatabase } from '../../helpers/postgres.ts'

const KEY = Buffer.alloc(32, 7)
const SECRET = `whsec_${Buffer.from('a secret of the test').toString('base64')}`
const folder = mkdtempSync(join(tmpdir(), 'deliveries-'))

let database: TestDatabase
let postgres: Postgres<Database>
let receiver: Server
let answer: { status: number; location?: string; never?: boolean; endless?: boolean }
let received: { headers: Record<string, unknown>; body: string; url: string }[]
/** To the receiver of this test, which stands on this machine; `publicly` is the one of production. */
let reach: Reach
let mailbox: ReturnType<typeof rawServer>
let ses: SESv2Client

beforeAll(async () => {
  database = await createDatabase()
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = database.environment('iot_alarms')
  postgres = openPostgres<Database>({
    ...{ PGHOST: PGHOST!, PGPORT: Number(PGPORT), PGDATABASE: PGDATABASE!, PGUSER: PGUSER!, PGPASSWORD: PGPASSWORD! },
    AWS_REGION: 'us-east-1',
  })
  const authority = await openCertificateAuthority(join(folder, 'ca'))
  const { certificatePem: cert, keyPem: key } = authority.server
  receiver = createServer({ cert, key }, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString(), url: request.url! })
      if (answer.never) return
      response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location })
      if (!answer.endless) return response.end()
      const pour = () => {
        while (response.write(Buffer.alloc(65_536)));
        response.once('drain', pour)
      }
      pour()
    })
  })
  await new Promise<void>((listening) => receiver.listen(0, '127.0.0.1', listening))
  const { port } = receiver.address() as AddressInfo
  reach = { addressesOf: () => Promise.resolve(['127.0.0.1']), tls: { ca: authority.caPem, port }, timeoutMs: 700 }
  mailbox = rawServer(1_000_000)
  serveMailbox(mailbox, join(folder, 'mails.jsonl'))
  const endpoint = await mailbox.listen({ host: '127.0.0.1', port: 0 })
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  ses = new SESv2Client({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 })
})
afterAll(async () => {
  receiver.closeAllConnections()
  receiver.close()
  await mailbox.close()
  await postgres.close()
  await database.close()
  rmSync(folder, { recursive: true })
})
beforeEach(() => {
  answer = { status: 204 }
  received = []
})

const call = (url = 'https://localhost/hook') => ({
  ...{ url, secret: SECRET, id: 'event-1' },
  body: { type: 'test' as const, timestamp: 1, tenant: 'acme', plant: null, alarm: null },
})

describe('a webhook', () => {
  it('is called with a body that the secret signs together with its time and id', async () => {
    await callWebhook(call(), reach)
    const [{ headers, body, url }] = received as [(typeof received)[0]]
    expect(url).toBe('/hook')
    const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64')
    const signed = `event-1.${String(headers['webhook-timestamp'])}.${body}`
    expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`)
    expect(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(30)
    expect(JSON.parse(body)).toEqual(call().body)
  })

  it('that redirects to an internal address has failed, and the redirect is not followed', async () => {
    answer = { status: 302, location: 'https://localhost/internal' }
    await expect(callWebhook(call(), reach)).rejects.toThrow('answered 302: redirects are not followed')
    expect(received.map(({ url }) => url)).toEqual(['/hook'])
  })

  it('that refuses, is slow, or whose certificate is of nobody known has failed', async () => {
    answer = { status: 500 }
    await expect(callWebhook(call(), reach)).rejects.toThrow('answered 500')
    answer = { status: 200, never: true }
    await expect(callWebhook(call(), reach)).rejects.toThrow('did not answer within 0.7 s')
    await expect(callWebhook(call(), { ...reach, tls: { port: reach.tls!.port! } })).rejects.toThrow(
      'cannot be reached',
    )
  })

  it('that answers without an end is let go after its status', async () => {
    answer = { status: 200, endless: true }
    await callWebhook(call(), reach)
  })

  it('is connected to at the address that was checked, whatever its name leads to', async () => {
    // No resolver knows this name; the certificate is checked against it, so that the connection is seen to get that far.
    await expect(callWebhook(call('https://hook.example/'), reach)).rejects.toThrow(/altnames|cert/i)
  })

  it('is not called where its name leads to an address that is not public now', async () => {
    const rebound = publicly(() => Promise.resolve(['198.41.0.4', '127.0.0.1']))
    await expect(callWebhook(call('https://hook.example/'), { ...reach, ...rebound })).rejects.toThrow('not public')
    expect(received).toEqual([])
  })
})

describe('an address', () => {
  it.each([
    ...['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1'],
    ...[
      '255.255.255.255',
      '::1',
      '::',
      'fe80::1',
      'fd00::1',
      'ff02::1',
      '::ffff:10.0.0.1',
      '64:ff9b::a00:1',
      '2002:a00:1::',
    ],
  ])('%s is not public', (address) => expect(isPublicAddress(address)).toBe(false))
  it.each(['8.8.8.8', '198.41.0.4', '2606:4700::1111'])('%s is', (address) =>
    expect(isPublicAddress(address)).toBe(true),
  )

  it.each([
    ...[
      'http://example.com/',
      'https://example.com:8443/',
      'https://a:b@example.com/',
      'https://127.1/',
      'https://0x7f000001/',
    ],
    ...['https://[::1]/', 'https://2130706433/', 'https://nowhere.example/'],
  ])('%s is refused before anything is connected to', async (url) => {
    const resolve = (host: string) =>
      host === 'nowhere.example' ? Promise.reject(new Error('ENOTFOUND')) : Promise.resolve(['198.41.0.4'])
    await expect(publicAddressesOf(url, resolve)).rejects.toThrow(/must|not public|cannot be found/)
  })
})

describe('an alarm', () => {
  let place: Place
  let outboxId: string
  const query = async <Row>(text: string, values: unknown[] = []) =>
    (await database.master.query(text, values)).rows as Row[]
  const channels = () => ({
    db: postgres.db,
    ses,
    mailFrom: 'alarms@test.example',
    pageUrl: 'https://page.example',
    webhookKey: () => Promise.resolve(KEY),
    reach,
  })

  beforeEach(async () => {
    ;[place] = (await createPlaces(database.master, ['north', 'south'])).places as [Place]
    outboxId = uuidv7()
    await query(
      `insert into alarm_outbox (id, tenant_id, plant_id, alarm_id, type, created_at) values ($1, $2, $3, $4, 'raised', $5)`,
      [outboxId, place.tenantId, place.plantId, place.alarmId, Date.now()],
    )
    const sealed = sealSecret(KEY, place.webhookId, SECRET)
    await query(`update alarm_webhooks set sealed_secret = $1, url = 'https://localhost/hook' where id = $2`, [
      sealed,
      place.webhookId,
    ])
  })

  it('is told to the webhook of its plant and to whom may see it and wants it, each once', async () => {
    await query(
      `insert into notification_choices (user_id, tenant_id, email_from, email_when_cleared, updated_at) values ($1, $2, 'high', false, 1)`,
      [place.userId, place.tenantId],
    )
    await query(`update users set locale = 'es' where id = $1`, [place.userId])
    await query('update alarms set message = null where id = $1', [place.alarmId])
    const { due } = await expandOutbox(postgres.db, [outboxId], () => false)
    expect(due.map(({ target }) => target).toSorted()).toEqual([`user:${place.userId}`, `webhook:${place.webhookId}`])
    for (const { target } of due) await deliver(channels(), { outboxId, target })
    for (const { target } of due) await deliver(channels(), { outboxId, target })
    expect(received).toHaveLength(1)
    expect(JSON.parse(received[0]!.body)).toMatchObject({
      type: 'alarm.raised',
      // Its rule has no text of its own: a program gets one in English, a person in their language.
      alarm: {
        alarmId: place.alarmId,
        message: expect.stringMatching(/^press-north\S* temperature [\d.]+: more than 80$/) as string,
      },
    })
    expect(received[0]!.headers['webhook-id']).toBe(outboxId)
    const { json } = await mailbox.inject('/local/mails')
    const [mail] = json<[{ to: string[]; subject: string; text: string }]>()
    expect(mail.subject).toMatch(/^\[Alta\] press-north\S* temperature [\d,]+: más de 80$/)
    expect(mail.text).toContain('Planta: north')
    expect(mail.text).toMatch(/^https:\/\/page\.example\/plants\/north[\w-]*\/machines\/press-north[\w-]*$/m)
    expect(await query('select state from alarm_deliveries where outbox_id = $1', [outboxId])).toEqual([
      { state: 'done' },
      { state: 'done' },
    ])
  })

  it('that a webhook does not take stays due, and its owner sees why', async () => {
    answer = { status: 503 }
    const target = `webhook:${place.webhookId}`
    await expandOutbox(postgres.db, [outboxId], () => false)
    await expect(deliver(channels(), { outboxId, target })).rejects.toThrow('answered 503')
    expect(await query('select state, attempts from alarm_deliveries where outbox_id = $1', [outboxId])).toEqual([
      { state: 'due', attempts: 1 },
    ])
    expect(await query('select last_error from alarm_webhooks where id = $1', [place.webhookId])).toEqual([
      { last_error: 'answered 503' },
    ])
    answer = { status: 200 }
    await deliver(channels(), { outboxId, target })
    expect(await query('select last_error from alarm_webhooks where id = $1', [place.webhookId])).toEqual([
      { last_error: null },
    ])
  })

  it('is not mailed in quiet hours, over midnight and in the person’s own time, but from the severity that they except', () => {
    const hours = {
      from: '22:00',
      to: '06:00',
      timeZone: 'America/Argentina/Buenos_Aires',
      exceptFrom: 'critical' as const,
    }
    const at = (time: string) => Date.parse(`2026-11-26T${time}:00-03:00`)
    expect(['21:59', '22:00', '23:30', '05:59', '06:00'].map((time) => isQuiet(hours, 'high', at(time)))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ])
    expect(isQuiet(hours, 'critical', at('23:30'))).toBe(false)
    expect(isQuiet({ ...hours, exceptFrom: null }, 'critical', at('23:30'))).toBe(true)
    expect(isQuiet({ ...hours, from: '09:00', to: '10:00' }, 'low', at('09:30'))).toBe(true)
  })
})
