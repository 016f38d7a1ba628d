import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { IoTClient, ListThingPrincipalsCommand } from '@aws-sdk/client-iot'
import { DeleteConnectionCommand, IoTDataPlaneClient, ResourceNotFoundException } from '@aws-sdk/client-iot-data-plane'
import { afterAll, afterEach, expect, inject, it, vi } from 'vitest'
import type { Gateway } from '../../schemas/api.ts'
import { openSession } from '../../local/demo/api-session.ts'
import { COMPANIES } from '../../local/demo/companies.ts'
import { startGateway } from '../../local/demo/gateway.ts'
import { Lifetime } from '../../local/lifetime.ts'
import { signIn } from '../helpers/api-client.ts'

const endpoints = inject('endpoints')
const options = {
  endpoint: endpoints.iot.url,
  region: 'us-east-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
}
const iot = new IoTClient(options)
const iotData = new IoTDataPlaneClient(options)
const folder = mkdtempSync(join(tmpdir(), 'enrolment-'))
const thingName = `granix-ba-${randomUUID().slice(0, 8)}`
const plant = { ...COMPANIES[0]!.plants[0]!, thingName, machines: [{ slug: 'enrolment-pump', kind: 'pump' as const }] }
const lifetimes: Lifetime[] = []

afterEach(async () => {
  for (const lifetime of lifetimes.splice(0)) await lifetime.end()
})
afterAll(() => {
  rmSync(folder, { recursive: true })
  iot.destroy()
  iotData.destroy()
})

/** The API behind a line that loses the answer to an enrolment, and tells when that has happened. */
async function apiThatLosesTheAnswer(): Promise<{ url: string; lost: Promise<undefined>; close: () => void }> {
  const { promise: lost, resolve } = Promise.withResolvers<undefined>()
  const held: ServerResponse[] = []
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks = await Array.fromAsync(request as AsyncIterable<Buffer>)
    const answer = await fetch(`${endpoints.api.url}${request.url}`, {
      method: request.method!,
      headers: { ...(request.headers.authorization && { authorization: request.headers.authorization }) },
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
    })
    const text = await answer.text()
    if (request.url !== '/v1/enrolments') {
      response.writeHead(answer.status).end(text)
      return
    }
    expect(answer.status).toBe(201)
    held.push(response)
    resolve(undefined)
  }
  const server = createServer((request, response) => void pass(request, response))
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, lost, close }
}

function start(apiUrl: string) {
  const lifetime = new Lifetime()
  lifetimes.push(lifetime)
  const { email, password } = endpoints.users.find(({ tenant, role }) => tenant === 'granix' && role === 'admin')!
  mkdirSync(join(folder, 'logs'), { recursive: true })
  const started = startGateway(lifetime, {
    ...{ repository: join(import.meta.dirname, '../..'), rootDir: folder, plant, tenant: 'granix' },
    ...{ plcPort: 1, mqttPort: endpoints.mqtt.port },
    session: async () => ({ ...(await openSession(endpoints, { email, password })), apiUrl }),
  })
  return { lifetime, started }
}
const principals = async () => (await iot.send(new ListThingPrincipalsCommand({ thingName }))).principals

it('a demo gateway that is ended between its certificate’s making and its writing gets the same one at the next start', async () => {
  const line = await apiThatLosesTheAnswer()
  const { lifetime, started } = start(line.url)
  const failure = started.catch((error: unknown) => error)
  await line.lost
  const [made, ...others] = (await principals())!
  expect(others).toEqual([])
  await lifetime.end()
  expect(await failure).toBeInstanceOf(Error)
  line.close()
  expect(existsSync(join(folder, 'gateways', thingName, 'data/identity'))).toBe(false)

  const { certFile } = await start(endpoints.api.url).started
  expect(await principals()).toEqual([made])
  expect(readFileSync(join(import.meta.dirname, '../..', certFile), 'utf8')).toContain('BEGIN CERTIFICATE')
  expect(existsSync(join(folder, 'gateways', thingName, 'enrolment-token'))).toBe(false)
})

it('a revoked gateway is off the line when the answer comes, and the broker refuses it from then on', async () => {
  await start(endpoints.api.url).started
  const admin = endpoints.users.find(({ tenant, role }) => tenant === 'granix' && role === 'admin')!
  const api = await signIn(endpoints, admin.email)
  const gateway = async () => (await api.get(`/gateways/${thingName}`)) as Gateway
  await vi.waitFor(async () => expect((await gateway()).connection).toBe('online'), 20_000)
  expect((await gateway()).lifecycle).toBe('active')
  expect(await api.post(`/gateways/${thingName}/revoke`)).toMatchObject({ lifecycle: 'revoked' })
  // It finds no connection to end.
  const end = () => iotData.send(new DeleteConnectionCommand({ clientId: thingName }))
  await expect(end()).rejects.toThrow(ResourceNotFoundException)
  expect(await principals()).toEqual([])
  const log = () => readFileSync(join(folder, 'logs', `${thingName}.log`), 'utf8')
  await vi.waitFor(() => expect(log()).toMatch(/refused|not authorized/i), 20_000)
  await expect(end()).rejects.toThrow(ResourceNotFoundException)
  expect((await gateway()).lifecycle).toBe('revoked')
})
