/**
 * The policy that onboarding really creates, judged three ways: by the local broker's evaluator, by one written for this test
 * from AWS's documentation, and by what the design says in words (DESIGN section 9). The hostile attempts are made over real
 * connections as well.
 */
import { randomInt } from 'node:crypto'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import * as v from 'valibot'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { arn } from '../../../local/aws-identity.ts'
import { POLICY_ACTIONS, type PolicyAction } from '../../../local/iot/policy.ts'
import { CreatedGateway, Enrolment } from '../../../schemas/api.ts'
import { createKeyAndCsr } from '../../helpers/csr.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'
import { startTestIot, type TestIot, type TestIotBroker } from '../../helpers/test-iot.ts'

interface Gateway {
  key: string
  certificatePem: string
  tenant: string
  plant: string
  thingName: string
  certificateId: string
}
interface Attempt {
  clientId: string
  action: PolicyAction
  /** What follows the account in the ARN: `client/…`, `topic/…`, `topicfilter/…`. */
  resource: string
}

let api: HttpApi
let iot: TestIot
let own: Gateway
let others: Gateway[]

beforeAll(async () => {
  iot = await startTestIot()
  api = await startHttpApi({ iot: iot.iot, iotData: iot.iotData })
  const { master } = api.database
  const onboard = async (tenant: TestTenant, index: number): Promise<Gateway> => {
    const as = await createUser(master, tenant.tenantId, 'admin', 'all')
    const { plantId, slug: plant } = tenant.plants[index]!
    const created = await api.request('POST', '/v1/gateways', { as, body: { plantId } })
    const { token } = v.parse(CreatedGateway, created.body).enrolment
    const { key, csr } = await createKeyAndCsr()
    const enrolled = await api.request('POST', '/v1/enrolments', { body: { token, csr } })
    const { thingName, certificateId, certificatePem } = v.parse(Enrolment, enrolled.body)
    return { tenant: tenant.slug, plant, thingName, certificateId, certificatePem, key }
  }
  const [ours, theirs] = [await createTenant(master, ['north', 'north-2']), await createTenant(master, ['north'])]
  own = await onboard(ours, 0)
  others = [await onboard(ours, 0), await onboard(ours, 1), await onboard(theirs, 0)]
})
afterAll(async () => {
  await api.close()
  await iot.close()
})

const local = (certificateId: string, { clientId, action, resource }: Attempt) =>
  iot.registry.allows(certificateId, clientId, action, arn('iot', resource))

/** Of one statement's resource, from both ends: no regular expression, as local/ has one. */
function globMatches(pattern: string, text: string): boolean {
  const parts = pattern.split('*')
  if (parts.length === 1) return pattern === text
  const [first, last] = [parts[0]!, parts.at(-1)!]
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at)
    if (found < 0 || found + part.length > text.length - last.length) return false
    at = found + part.length
  }
  return true
}

interface Statement {
  Effect: string
  Action: string
  Resource: string | string[]
  Condition?: { Bool: { 'iot:Connection.Thing.IsAttached': string } }
}

function byTheBook(gateway: Gateway, { clientId, action, resource }: Attempt): boolean {
  const { certificates, policies, things } = iot.registry.state
  const documents = certificates[gateway.certificateId]!.policies.map((name) => policies[name]!.document)
  const isAttached = things[clientId]?.principals.includes(gateway.certificateId) ?? false
  return documents
    .flatMap((text) => (JSON.parse(text) as { Statement: Statement[] }).Statement)
    .some((statement) => {
      if (statement.Effect !== 'Allow' || statement.Action !== `iot:${action}`) return false
      if (statement.Condition && !isAttached) return false
      return [statement.Resource].flat().some((pattern) => {
        if (pattern.includes('${') && !isAttached) return false
        const filled = pattern.replaceAll('${iot:Connection.Thing.ThingName}', clientId)
        return globMatches(filled, arn('iot', resource))
      })
    })
}

function inWords({ tenant, plant, thingName }: Gateway, { clientId, action, resource }: Attempt): boolean {
  const telemetry = { before: `topic/factory/${tenant}/ba/${plant}/`, after: '/telemetry' }
  const isTelemetry =
    resource.startsWith(telemetry.before) &&
    resource.endsWith(telemetry.after) &&
    resource.length >= telemetry.before.length + telemetry.after.length
  const isStatus = resource === `topic/ops/${tenant}/ba/${plant}/gateway/${thingName}/status`
  if (action === 'Connect') return clientId === thingName && resource === `client/${thingName}`
  if (action === 'Publish') return isTelemetry || isStatus
  return action === 'RetainPublish' && isStatus
}

const pick = <T>(from: readonly T[]): T => from[randomInt(from.length)]!
const mostly = <T>(usual: T, from: readonly T[]): T => (randomInt(4) > 0 ? usual : pick(from))

/** Half of it nearly right: a single wrong segment is what a mistake in a policy would let through. */
function drawn(): Attempt {
  const other = pick(others)
  const odd = ['*', '+', '#', '?', '', '$aws', '..', '${iot:ClientId}', 'x', own.thingName, 'factory', 'ñ']
  const tenant = mostly(own.tenant, [other.tenant, ...odd, `${own.tenant}x`])
  const province = mostly('ba', ['sf', ...odd])
  const plant = mostly(own.plant, [other.plant, ...odd, `${own.plant}-2`])
  const thingName = mostly(own.thingName, [other.thingName, ...odd])
  const topic = pick([
    `factory/${tenant}/${province}/${plant}/${mostly('pump-1', odd)}/${mostly('telemetry', odd)}`,
    `ops/${tenant}/${province}/${plant}/gateway/${thingName}/${mostly('status', odd)}`,
    `$aws/things/${thingName}/shadow/update`,
    `${pick(odd)}/${pick(odd)}`,
  ])
  const action = pick(POLICY_ACTIONS)
  const kind = {
    Connect: 'client',
    Publish: 'topic',
    RetainPublish: 'topic',
    Subscribe: 'topicfilter',
    Receive: 'topic',
  }
  const clientId = mostly(own.thingName, [other.thingName, ...odd])
  return { clientId, action, resource: `${kind[action]}/${action === 'Connect' ? clientId : topic}` }
}

function hostileAttempts(): Attempt[] {
  const { tenant, plant, thingName } = own
  const publish = (topic: string): Attempt[] =>
    (['Publish', 'RetainPublish'] as const).map((action) => ({
      clientId: thingName,
      action,
      resource: `topic/${topic}`,
    }))
  return [
    ...others.flatMap((other) => [
      ...(other.plant === plant && other.tenant === tenant
        ? []
        : publish(`factory/${other.tenant}/ba/${other.plant}/pump-1/telemetry`)),
      ...publish(`ops/${other.tenant}/ba/${other.plant}/gateway/${other.thingName}/status`),
      // A stolen certificate under another gateway's name, and the other way round.
      { clientId: other.thingName, action: 'Connect' as const, resource: `client/${other.thingName}` },
      { clientId: thingName, action: 'Connect' as const, resource: `client/${other.thingName}` },
    ]),
    ...publish('$aws/things/x/shadow/update'),
    ...publish(`$aws/rules/telemetry/factory/${tenant}/ba/${plant}/pump-1/telemetry`),
    ...publish('factory/+/+/+/+/telemetry'),
    ...publish('#'),
    ...publish(`factory/${tenant}/ba/*/pump-1/telemetry`),
    ...publish(`factory/${tenant}/ba/${plant}-2/pump-1/telemetry`),
    ...publish(`factory/${tenant}/ba/${plant}/pump-1/telemetry/more`),
    // Readings may be sent, but not left behind for whoever comes.
    {
      clientId: thingName,
      action: 'RetainPublish',
      resource: `topic/factory/${tenant}/ba/${plant}/pump-1/telemetry`,
    },
    ...[
      '#',
      `factory/${tenant}/ba/${plant}/+/telemetry`,
      `ops/${tenant}/ba/${plant}/gateway/${thingName}/status`,
    ].flatMap((topic): Attempt[] => [
      { clientId: thingName, action: 'Subscribe', resource: `topicfilter/${topic}` },
      { clientId: thingName, action: 'Receive', resource: `topic/${topic}` },
    ]),
  ]
}

describe('the policy of an enrolled gateway', () => {
  it('allows the same as the design, attempt by attempt, in 10,000 drawn ones', () => {
    let allowed = 0
    for (let n = 0; n < 10_000; n++) {
      const attempt = drawn()
      const expected = inWords(own, attempt)
      if (expected) allowed++
      const shown = JSON.stringify(attempt)
      expect(local(own.certificateId, attempt), shown).toBe(expected)
      expect(byTheBook(own, attempt), shown).toBe(expected)
    }
    // Of neither kind too few, or the comparison says nothing.
    expect(allowed).toBeGreaterThan(500)
    expect(allowed).toBeLessThan(9_000)
  })

  it('allows nothing of the hostile attempts', () => {
    for (const attempt of hostileAttempts()) {
      expect(local(own.certificateId, attempt), JSON.stringify(attempt)).toBe(false)
      expect(byTheBook(own, attempt), JSON.stringify(attempt)).toBe(false)
    }
  })
})

describe('over connections with its certificate', () => {
  let broker: TestIotBroker
  const clients: MqttClient[] = []
  beforeAll(async () => (broker = await iot.startBroker()))
  afterEach(() => Promise.all(clients.splice(0).map((client) => client.endAsync(true))))
  afterAll(() => broker.stop())

  /** Resolves with how it began. */
  async function connect(clientId: string, will?: IClientOptions['will'], { key, certificatePem: cert } = own) {
    const client = mqtt.connect(`mqtts://127.0.0.1:${broker.port}`, {
      ...{ clientId, key, cert, ca: broker.caPem, protocolVersion: 4, reconnectPeriod: 0 },
      ...(will && { will }),
    })
    clients.push(client)
    const began = await new Promise<string>((resolve) => {
      client.once('connect', () => resolve('connected'))
      client.on('error', (error) => resolve(error.message))
      client.once('close', () => resolve('closed'))
    })
    return { client, began }
  }
  const closed = (client: MqttClient) => new Promise((resolve) => client.once('close', () => resolve('closed')))
  const payload = Buffer.from('x')

  it('a gateway publishes its machines’ readings and its status, and has its will', async () => {
    const status = `ops/${own.tenant}/ba/${own.plant}/gateway/${own.thingName}/status`
    const reading = `factory/${own.tenant}/ba/${own.plant}/pump-1/telemetry`
    const { client, began } = await connect(own.thingName, { topic: status, payload, qos: 1, retain: true })
    expect(began).toBe('connected')
    await client.publishAsync(status, payload, { qos: 1, retain: true })
    await client.publishAsync(reading, payload, { qos: 1 })
    await client.endAsync(true)
    const taken = [status, reading, status].map((topic) => ({ topic, clientId: own.thingName }))
    await expect.poll(() => broker.taken).toEqual(taken)
    broker.taken.length = 0
  })

  it('nothing hostile is taken, as a message, as a will, or as a subscription', async () => {
    let tried = 0
    for (const { clientId, action, resource } of hostileAttempts()) {
      const shown = `${clientId} ${action} ${resource}`
      const name = resource.slice(resource.indexOf('/') + 1)
      if (action === 'Connect' && clientId === name) {
        expect((await connect(clientId)).began, shown).toMatch(/Not authorized/)
      } else if (action === 'Publish' || action === 'RetainPublish') {
        const retain = action === 'RetainPublish'
        const { client } = await connect(clientId)
        const end = closed(client)
        client.publish(name, payload, { qos: 1, retain })
        expect(await end, shown).toBe('closed')
        const { began } = await connect(clientId, { topic: name, payload, qos: 1, retain })
        expect(began, `${shown} as a will`).not.toBe('connected')
      } else if (action === 'Subscribe') {
        const { client } = await connect(clientId)
        const end = closed(client)
        client.subscribe(name, { qos: 1 }, () => undefined)
        expect(await end, shown).toBe('closed')
      } else continue
      tried++
    }
    expect(tried).toBeGreaterThan(20)
    expect(broker.taken).toEqual([])
  })

  it('a stolen certificate under another gateway’s name does not end that one’s connection', async () => {
    const [other] = others as [Gateway]
    const { client } = await connect(other.thingName, undefined, other)
    expect((await connect(other.thingName)).began).toMatch(/Not authorized/)
    const topic = `factory/${other.tenant}/ba/${other.plant}/pump-1/telemetry`
    await client.publishAsync(topic, payload, { qos: 1 })
    expect(broker.taken).toEqual([{ topic, clientId: other.thingName }])
  })
})
