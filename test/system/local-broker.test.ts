import 'reflect-metadata'
import { generateKeyPairSync, webcrypto } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  AttachPolicyCommand,
  AttachThingPrincipalCommand,
  CreateCertificateFromCsrCommand,
  CreatePolicyCommand,
  CreateThingCommand,
  DeleteCertificateCommand,
  DeletePolicyCommand,
  DeleteThingCommand,
  IoTClient,
  UpdateCertificateCommand,
} from '@aws-sdk/client-iot'
import * as x509 from '@peculiar/x509'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest'

const { mqtt: broker, iot: control } = inject('endpoints')
const ca = readFileSync(join(import.meta.dirname, '../..', broker.caFile))
const iot = new IoTClient({
  endpoint: control.url,
  region: 'us-east-1',
  credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
})

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const THING = 'broker-test-1'
const TELEMETRY = 'factory/t/p/l/m/telemetry'
const STATUS = `ops/t/p/l/gateway/${THING}/status`

interface Identity {
  cert: string
  key: string
  certificateId: string
  arn: string
}
let gateway: Identity
const clients: MqttClient[] = []

async function newCertificate(): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=test',
    keys,
    signingAlgorithm: ALGORITHM,
  })
  const created = await iot.send(
    new CreateCertificateFromCsrCommand({ certificateSigningRequest: csr.toString('pem'), setAsActive: true }),
  )
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  return { cert: created.certificatePem!, key, certificateId: created.certificateId!, arn: created.certificateArn! }
}

const arn = (resource: string) => `arn:aws:iot:us-east-1:000000000000:${resource}`
const policyDocument = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: 'iot:Connect',
      Resource: arn('client/${iot:Connection.Thing.ThingName}'),
      Condition: { Bool: { 'iot:Connection.Thing.IsAttached': 'true' } },
    },
    {
      Effect: 'Allow',
      Action: 'iot:Publish',
      Resource: [arn('topic/factory/t/p/l/*/telemetry'), arn(`topic/${STATUS}`)],
    },
    { Effect: 'Allow', Action: 'iot:RetainPublish', Resource: arn(`topic/${STATUS}`) },
  ],
})

beforeAll(async () => {
  gateway = await newCertificate()
  await iot.send(new CreateThingCommand({ thingName: THING }))
  await iot.send(new CreatePolicyCommand({ policyName: THING, policyDocument }))
  await iot.send(new AttachPolicyCommand({ policyName: THING, target: gateway.arn }))
  await iot.send(new AttachThingPrincipalCommand({ thingName: THING, principal: gateway.arn }))
})
afterEach(() => Promise.all(clients.splice(0).map((client) => client.endAsync(true))))

function open(options: IClientOptions = {}, identity: Partial<Identity> = gateway): MqttClient {
  const client = mqtt.connect({
    protocol: 'mqtts',
    host: 'localhost',
    port: broker.port,
    ca,
    ...(identity.cert && { cert: identity.cert, key: identity.key }),
    clientId: THING,
    protocolVersion: 4,
    reconnectPeriod: 0,
    ...options,
  })
  client.on('error', () => undefined)
  clients.push(client)
  return client
}

/** `connected`, or how the attempt ended. */
const outcome = (client: MqttClient) =>
  new Promise<string>((resolve) => {
    client.once('connect', () => resolve('connected'))
    client.once('error', (error) => resolve(error.message))
    client.once('close', () => resolve('closed'))
  })
const closed = (client: MqttClient) => new Promise<string>((resolve) => client.once('close', () => resolve('closed')))

async function connected(options?: IClientOptions): Promise<MqttClient> {
  const client = open(options)
  expect(await outcome(client)).toBe('connected')
  return client
}

describe('the broker lets in', () => {
  it('the certificate of a Thing under its own name, and takes its messages', async () => {
    const client = await connected()
    await client.publishAsync(TELEMETRY, 'x', { qos: 1 })
    await client.publishAsync(STATUS, 'x', { qos: 1, retain: true })
  })
})

describe('the broker refuses', () => {
  it('no certificate', async () => {
    expect(await outcome(open({}, {}))).not.toBe('connected')
  })
  it('a certificate of a foreign CA', async () => {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
    const self = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${THING}`,
      keys,
      signingAlgorithm: ALGORITHM,
    })
    const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
    expect(await outcome(open({}, { cert: self.toString('pem'), key }))).not.toBe('connected')
  })
  it('the certificate with another private key', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    expect(() =>
      open({}, { cert: gateway.cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }),
    ).toThrow(/key values mismatch/)
  })
  it('another clientId', async () => {
    expect(await outcome(open({ clientId: 'granix-ba-gateway-1' }))).toMatch(/Not authorized/)
  })
  it('a certificate without a policy', async () => {
    expect(await outcome(open({}, await newCertificate()))).toMatch(/Not authorized/)
  })
  it.each([
    'factory/other/p/l/m/telemetry',
    'factory/t/p/other/m/telemetry',
    'ops/t/p/l/gateway/other/status',
    'anything',
  ])('a publish to %s, and closes the connection', async (topic) => {
    const client = await connected()
    const end = closed(client)
    client.publish(topic, 'x', { qos: 1 })
    expect(await end).toBe('closed')
  })
  it('a retained message elsewhere than on the own status', async () => {
    const client = await connected()
    const end = closed(client)
    client.publish(TELEMETRY, 'x', { qos: 1, retain: true })
    expect(await end).toBe('closed')
  })
  it('a will of another topic, and a retained one without the right to it', async () => {
    const will = (topic: string, retain: boolean) =>
      open({ will: { topic, payload: Buffer.from('x'), qos: 1, retain } })
    expect(await outcome(will('ops/t/p/l/gateway/other/status', true))).toMatch(/Not authorized/)
    expect(await outcome(will(TELEMETRY, true))).toMatch(/Not authorized/)
    expect(await outcome(will(STATUS, true))).toBe('connected')
  })
  it('QoS 2', async () => {
    const client = await connected()
    const end = closed(client)
    client.publish(TELEMETRY, 'x', { qos: 2 })
    expect(await end).toBe('closed')
  })
  it('a payload of more than 128 KB', async () => {
    const client = await connected()
    const end = closed(client)
    client.publish(TELEMETRY, Buffer.alloc(128 * 1024 + 1), { qos: 1 })
    expect(await end).toBe('closed')
  })
  it.each([`factory/t/p/l/${'m'.repeat(240)}/telemetry`, 'factory/t/p/l/m/m/m/m/telemetry'])(
    'a topic that is too long or too deep: %s',
    async (topic) => {
      const client = await connected()
      const end = closed(client)
      client.publish(topic, 'x', { qos: 1 })
      expect(await end).toBe('closed')
    },
  )
  it('a subscription', async () => {
    const client = await connected()
    const end = closed(client)
    client.subscribe(TELEMETRY, () => undefined)
    expect(await end).toBe('closed')
  })
})

describe('one clientId', () => {
  it('belongs to the newest connection', async () => {
    const first = await connected()
    const end = closed(first)
    await connected()
    expect(await end).toBe('closed')
  })
  it('loses what it publishes above 100 in a second, without a PUBACK', async () => {
    const client = await connected()
    let acknowledged = 0
    for (let n = 0; n < 300; n++) client.publish(TELEMETRY, 'x', { qos: 1 }, (error) => (acknowledged += error ? 0 : 1))
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(acknowledged).toBeGreaterThanOrEqual(100)
    expect(acknowledged).toBeLessThan(300)
  })
  it('loses what it publishes above 512 KiB in a second', async () => {
    const client = await connected()
    let acknowledged = 0
    const publish = (bytes: number) =>
      client.publish(TELEMETRY, Buffer.alloc(bytes, 'x'), { qos: 1 }, (error) => (acknowledged += error ? 0 : 1))
    for (let n = 0; n < 12; n++) publish(120_000)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(acknowledged).toBeGreaterThanOrEqual(4)
    expect(acknowledged).toBeLessThan(12)
  })
})

describe('the control plane', () => {
  it('knows what is in the way of a deletion', async () => {
    await expect(iot.send(new DeleteThingCommand({ thingName: THING }))).rejects.toMatchObject({
      name: 'InvalidRequestException',
    })
    await expect(iot.send(new DeletePolicyCommand({ policyName: THING }))).rejects.toMatchObject({
      name: 'DeleteConflictException',
    })
    const { certificateId } = gateway
    await expect(iot.send(new DeleteCertificateCommand({ certificateId }))).rejects.toMatchObject({
      name: 'CertificateStateException',
    })
    await expect(iot.send(new CreatePolicyCommand({ policyName: THING, policyDocument }))).rejects.toMatchObject({
      name: 'ResourceAlreadyExistsException',
    })
  })
  it('names a call that it does not know', async () => {
    const answer = await fetch(`${control.url}/jobs`, { method: 'GET' })
    expect(answer.status).toBe(404)
    expect(await answer.text()).toContain('GET /jobs')
  })
  it('ends the connection of a certificate that is revoked, and refuses it from then on', async () => {
    const client = await connected()
    const end = closed(client)
    await iot.send(new UpdateCertificateCommand({ certificateId: gateway.certificateId, newStatus: 'INACTIVE' }))
    expect(await end).toBe('closed')
    expect(await outcome(open())).toMatch(/Not authorized/)
  })
})
