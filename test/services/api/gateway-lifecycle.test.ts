/** A gateway's life through the API, with AWS IoT's rules: rotation, revocation, deletion, moves, and each call failing once. */
import { createHash, createPrivateKey, sign, X509Certificate } from 'node:crypto'
import { DeleteConflictException, InvalidRequestException } from '@aws-sdk/client-iot'
import { strFromU8, unzipSync } from 'fflate'
import * as v from 'valibot'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CreatedGateway, Enrolment, Gateway, GatewayPage, IdentityState } from '../../../schemas/api.ts'
import { signedText } from '../../../schemas/identity.ts'
import { RATE_LIMITS } from '../../../lambdas/api/rate-limit.ts'
import { createKeyAndCsr, P256, rsa } from '../../helpers/csr.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'
import { startTestIot, type TestIot } from '../../helpers/test-iot.ts'

let api: HttpApi
let iot: TestIot
let tenant: TestTenant
let admin: string
let thingName: string
let path: string
/** Connections that AWS was told to end. */
let ended: string[]

interface Key {
  key: string
  csr: string
}
interface Held extends Key {
  certificateId: string
}

beforeAll(async () => {
  iot = await startTestIot()
  api = await startHttpApi({ iot: iot.iot, iotData: iot.iotData })
})
afterAll(async () => {
  await api.close()
  await iot.close()
})
beforeEach(async () => {
  iot.reset()
  tenant = await createTenant(api.database.master, ['north', 'south'])
  admin = await createUser(api.database.master, tenant.tenantId, 'admin', 'all')
  thingName = `${tenant.slug}-gw`
  path = `/v1/gateways/${thingName}`
  ended = []
  iot.registry.connections = new Map([[thingName, { close: () => void ended.push(thingName) }]])
})

const plantId = (index: number) => tenant.plants[index]!.plantId
const ask = (method: string, url: string, body?: object) =>
  api.request(method, url, { as: admin, ...(body && { body }) })
const create = () => ask('POST', '/v1/gateways', { plantId: plantId(0), thingName })
const createdToken = async () => v.parse(CreatedGateway, (await create()).body).enrolment.token
const enrol = (token: string, csr: string) => api.request('POST', '/v1/enrolments', { body: { token, csr } })

async function enrolled(): Promise<Held> {
  const pair = await createKeyAndCsr()
  const { certificateId } = v.parse(Enrolment, (await enrol(await createdToken(), pair.csr)).body)
  return { ...pair, certificateId }
}

function signed(verb: 'check' | 'renew' | 'confirm', { key, certificateId }: Held, csr?: string, name = thingName) {
  const text = signedText(verb, { thingName: name, certificateId, ...(csr && { csr }) })
  const signature = sign('sha256', Buffer.from(text), createPrivateKey(key)).toString('base64')
  const body = { thingName: name, certificateId, signature, ...(csr && { csr }) }
  return api.request('POST', `/v1/identity/${verb}`, { body })
}
async function renewed(held: Held, pair: Key): Promise<Held> {
  const { certificateId } = v.parse(Enrolment, (await signed('renew', held, pair.csr)).body)
  return { ...pair, certificateId }
}

async function rows<Row extends object = Record<string, unknown>>(sql: string): Promise<Row[]> {
  return (await api.database.master.query<Row>(sql, [tenant.tenantId])).rows
}
const lifecycle = async () =>
  (await rows<{ lifecycle: string }>('select lifecycle from gateways where tenant_id = $1')).map((row) => row.lifecycle)
const audited = async () =>
  (await rows<{ action: string }>('select action from audit_log where tenant_id = $1 order by id')).map(
    (row) => row.action,
  )
const certificateIds = () => Object.keys(iot.registry.state.certificates)
const policy = () => iot.registry.state.policies[thingName]?.document ?? ''

/** Both of these in each place where AWS may fail: the answer lost is the worse one. */
const failures = (commands: string[]) =>
  commands.flatMap((command) => [[command, 'before'] as const, [command, 'after'] as const])

describe('a rotation', () => {
  it('is asked for, then both certificates hold, and the confirmed one alone at the end', async () => {
    const old = await enrolled()
    expect((await signed('check', old)).body).toMatchObject({ lifecycle: 'enrolled', rotate: false, plant: 'north' })
    expect(await ask('POST', `${path}/rotate`)).toMatchObject({ status: 200, body: { lifecycle: 'rotating' } })
    expect(await ask('POST', `${path}/rotate`)).toMatchObject({ status: 200 })
    expect((await signed('check', old)).body).toMatchObject({ lifecycle: 'rotating', rotate: true })

    const next = await renewed(old, await createKeyAndCsr())
    expect(await renewed(old, next)).toEqual(next)
    const { certificates, things } = iot.registry.state
    for (const { certificateId } of [old, next]) {
      expect(certificates[certificateId]).toMatchObject({ status: 'ACTIVE', policies: [thingName] })
    }
    expect(things[thingName]!.principals).toEqual([old.certificateId, next.certificateId])

    // Until then the old one asks again as if nothing had been.
    expect((await signed('check', old)).body).toMatchObject({ rotate: true })
    expect(await signed('confirm', next)).toMatchObject({ status: 204, body: undefined })
    expect(await signed('confirm', next)).toMatchObject({ status: 204 })
    expect(certificateIds()).toEqual([next.certificateId])
    expect(await lifecycle()).toEqual(['enrolled'])
    expect(await signed('check', old)).toMatchObject({ status: 401, body: { code: 'invalid_identity' } })
    expect((await signed('check', next)).body).toMatchObject({ rotate: false })
    expect(await audited()).toEqual([
      ...['gateway.create', 'gateway.prepare', 'gateway.enrol', 'gateway.rotate', 'gateway.renew', 'gateway.confirm'],
    ])
  })

  it('shows when the certificate ends: while there are two, the one that ends first', async () => {
    const expiry = async () => v.parse(Gateway, (await ask('GET', path)).body).certificateExpiresAt
    await create()
    expect(await expiry()).toBeNull()
    const old = await enrolled()
    const end = (id: string) => new X509Certificate(iot.registry.state.certificates[id]!.pem).validToDate.getTime()
    expect(await expiry()).toBe(end(old.certificateId))
    const soon = Date.now() + 86_400_000
    await rows(`update gateway_certificates set expires_at = ${soon} where tenant_id = $1`)
    const next = await renewed(old, await createKeyAndCsr())
    expect(await expiry()).toBe(soon)
    await signed('confirm', next)
    expect(await expiry()).toBe(end(next.certificateId))
    expect(v.parse(GatewayPage, (await ask('GET', '/v1/gateways')).body).items).toMatchObject([
      { thingName, certificateExpiresAt: end(next.certificateId) },
    ])
    await ask('POST', `${path}/revoke`)
    expect(await expiry()).toBeNull()
  })

  it('that was begun with one key and goes on with another leaves nothing of the first', async () => {
    const old = await enrolled()
    const lost = await renewed(old, await createKeyAndCsr())
    const next = await renewed(old, await createKeyAndCsr(rsa(2048)))
    expect(certificateIds()).toEqual([old.certificateId, next.certificateId])
    expect((await signed('confirm', lost)).status).toBe(401)
    expect((await signed('confirm', next)).status).toBe(204)
    expect(certificateIds()).toEqual([next.certificateId])
  })

  it.each(failures(['CreateCertificateFromCsr', 'AttachPolicy', 'AttachThingPrincipal']))(
    'whose %s fails %s it took effect keeps the old certificate, and the repeated one ends well',
    async (command, when) => {
      const old = await enrolled()
      const pair = await createKeyAndCsr()
      iot.failAt(command, when)
      expect((await signed('renew', old, pair.csr)).status).toBe(500)
      expect(certificateIds()).toEqual([old.certificateId])
      const next = await renewed(old, pair)
      expect(certificateIds()).toEqual([old.certificateId, next.certificateId])
    },
  )

  it.each(
    failures(['UpdateCertificate', 'DetachPolicy', 'DetachThingPrincipal', 'DeleteCertificate', 'DescribeCertificate']),
  )('whose end fails at %s, %s it took effect, is finished by the repeated confirmation', async (command, when) => {
    const old = await enrolled()
    const next = await renewed(old, await createKeyAndCsr())
    iot.failAt(command, when)
    expect((await signed('confirm', next)).status).toBe(500)
    expect((await signed('check', old)).status).toBe(401)
    expect((await signed('confirm', next)).status).toBe(204)
    expect(certificateIds()).toEqual([next.certificateId])
    expect(await rows('select 1 from gateway_certificates where tenant_id = $1')).toHaveLength(1)
  })

  it('is not for a gateway that has no certificate', async () => {
    await create()
    expect(await ask('POST', `${path}/rotate`)).toMatchObject({ status: 409, body: { code: 'conflict' } })
  })
})

describe('who signs', () => {
  it('is refused with another key, another verb, another name, another request, or an unknown certificate', async () => {
    const held = await enrolled()
    const { csr } = await createKeyAndCsr()
    const other = await createKeyAndCsr()
    const replayed = { thingName, certificateId: held.certificateId, signature: '' }
    replayed.signature = sign(
      'sha256',
      Buffer.from(signedText('check', replayed)),
      createPrivateKey(held.key),
    ).toString('base64')
    const answers = [
      await signed('check', { ...held, key: other.key }),
      await signed('check', held, undefined, 'somebody-else'),
      await signed('check', { ...held, certificateId: createHash('sha256').update('x').digest('hex') }),
      await api.request('POST', '/v1/identity/confirm', { body: replayed }),
      await api.request('POST', '/v1/identity/renew', { body: { ...replayed, csr } }),
    ]
    for (const answer of answers) expect(answer).toMatchObject({ status: 401, body: { code: 'invalid_identity' } })
    expect(certificateIds()).toHaveLength(1)
  })

  it('may have an RSA key too, and is told of a wrong signing request', async () => {
    const pair = await createKeyAndCsr(rsa(2048))
    const { certificateId } = v.parse(Enrolment, (await enrol(await createdToken(), pair.csr)).body)
    const held = { ...pair, certificateId }
    expect((await signed('check', held)).status).toBe(200)
    const { csr } = await createKeyAndCsr({ ...P256, namedCurve: 'P-384' })
    expect(await signed('renew', held, csr)).toMatchObject({ status: 400, body: { code: 'invalid_csr' } })
  })

  it('waits after five wrong tokens or signatures from one address, and nobody else does', async () => {
    const limits = api.services.rateLimits
    api.services.rateLimits = RATE_LIMITS
    const address = `198.51.100.${Math.floor(Math.random() * 250)}-${tenant.slug}`
    const guess = (from: string) => api.request('POST', '/v1/enrolments', { body: { token: 'wrong', csr: 'x' }, from })
    const statuses = []
    for (let n = 0; n < 6; n++) statuses.push((await guess(address)).status)
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429])
    const slowed = await guess(address)
    expect(slowed).toMatchObject({ status: 429, body: { code: 'rate_limited' } })
    expect(Number(slowed.headers['retry-after'])).toBeGreaterThan(30)
    expect((await guess(`203.0.113.9-${tenant.slug}`)).status).toBe(401)
    api.services.rateLimits = limits
  })
})

describe('a revocation', () => {
  const REMOVAL = [
    'DescribeCertificate',
    'UpdateCertificate',
    'DetachPolicy',
    'DetachThingPrincipal',
    'DeleteCertificate',
  ]

  it('ends certificates, tokens and the connection, and the gateway can be enrolled again', async () => {
    const old = await enrolled()
    const next = await renewed(old, await createKeyAndCsr())
    expect(await ask('POST', `${path}/revoke`)).toMatchObject({ status: 200, body: { lifecycle: 'revoked' } })
    expect(certificateIds()).toEqual([])
    expect(ended).toEqual([thingName])
    for (const held of [old, next]) expect((await signed('check', held)).status).toBe(401)
    expect(await ask('POST', `${path}/revoke`)).toMatchObject({ status: 200, body: { lifecycle: 'revoked' } })
    expect((await audited()).filter((action) => action === 'gateway.revoke')).toHaveLength(1)

    // Twice, as the first command may have run out: the agent on the same PC has an identity, and replaces none by itself.
    for (let n = 0; n < 2; n++) {
      const { enrolment } = v.parse(CreatedGateway, (await create()).body)
      expect(enrolment.command).toMatch(/^gateway-agent enroll --force --config /)
    }
    const again = await enrolled()
    expect(again.certificateId).not.toBe(old.certificateId)
    expect(await lifecycle()).toEqual(['enrolled'])
  })

  it('of a gateway that waits ends its token', async () => {
    const token = await createdToken()
    expect((await ask('POST', `${path}/revoke`)).status).toBe(200)
    expect((await enrol(token, (await createKeyAndCsr()).csr)).status).toBe(401)
  })

  it.each(failures([...REMOVAL, 'DeleteConnection']))(
    'whose %s fails %s it took effect holds at once, and is finished by the repeated one',
    async (command, when) => {
      const held = await enrolled()
      iot.failAt(command, when)
      expect((await ask('POST', `${path}/revoke`)).status).toBe(500)
      expect((await signed('check', held)).status).toBe(401)
      expect(await lifecycle()).toEqual(['revoked'])
      if (command !== 'DeleteConnection') expect(ended).toEqual([thingName])
      expect((await ask('POST', `${path}/revoke`)).status).toBe(200)
      expect(certificateIds()).toEqual([])
      expect(ended).toContain(thingName)
    },
  )

  it('and a deletion wait until AWS has heard of what they have just detached, which takes it seconds', async () => {
    await enrolled()
    const conflict = { message: 'still attached', $metadata: {} }
    iot.failAt('DeleteCertificate', 'before', new DeleteConflictException(conflict))
    iot.failAt('DeletePolicy', 'before', new DeleteConflictException(conflict))
    iot.failAt('DeleteThing', 'before', new InvalidRequestException(conflict))
    expect(await ask('DELETE', path)).toMatchObject({ status: 204 })
    expect(iot.registry.state).toMatchObject({ things: {}, policies: {}, certificates: {} })
  })

  it.each(failures([...REMOVAL, 'DeleteConnection', 'ListPolicyVersions', 'DeletePolicy', 'DeleteThing']))(
    'a deletion whose %s fails %s it took effect is finished by the repeated one',
    async (command, when) => {
      await enrolled()
      iot.failAt(command, when)
      expect((await ask('DELETE', path)).status).toBe(500)
      expect((await create()).status).toBe(409)
      expect(await ask('DELETE', path)).toMatchObject({ status: 204 })
      expect(await lifecycle()).toEqual([])
      expect(iot.registry.state).toMatchObject({ things: {}, policies: {}, certificates: {} })
      expect(await ask('DELETE', path)).toMatchObject({ status: 404 })
      expect((await audited()).filter((action) => action === 'gateway.delete')).toHaveLength(1)
      // The name is free again.
      expect((await create()).status).toBe(201)
    },
  )
})

describe('a move', () => {
  const move = (index: number) => ask('POST', `${path}/move`, { plantId: plantId(index) })

  it('allows the new topics only, tells the gateway when it asks, and ends its connection so that it does', async () => {
    const held = await enrolled()
    expect(policy()).toContain(`factory/${tenant.slug}/ba/north/*/telemetry`)
    for (const index of [1, 0, 1, 0, 1, 0, 1]) {
      expect(await move(index)).toMatchObject({ status: 200, body: { plantId: plantId(index) } })
    }
    expect(policy()).toContain(`factory/${tenant.slug}/ba/south/*/telemetry`)
    expect(policy()).not.toContain('/north/')
    expect(v.parse(IdentityState, (await signed('check', held)).body)).toMatchObject({
      ...{ lifecycle: 'enrolled', plant: 'south' },
      topics: {
        telemetry: `factory/${tenant.slug}/ba/south/{machine}/telemetry`,
        status: `ops/${tenant.slug}/ba/south/gateway/${thingName}/status`,
      },
    })
    expect(ended).toHaveLength(7)
    expect((await audited()).filter((action) => action === 'gateway.move')).toHaveLength(7)
    expect((await move(1)).status).toBe(200)
    expect((await audited()).filter((action) => action === 'gateway.move')).toHaveLength(7)
  })

  it.each(failures(['CreateThing', 'GetPolicy', 'ListPolicyVersions', 'CreatePolicyVersion']))(
    'whose %s fails %s it took effect leaves the gateway where it was, and works when it is repeated',
    async (command, when) => {
      await enrolled()
      iot.failAt(command, when)
      expect((await move(1)).status).toBe(500)
      expect(policy()).toContain('/north/')
      expect(policy()).not.toContain('/south/')
      expect((await move(1)).status).toBe(200)
      expect(policy()).toContain('/south/')
      expect(Object.keys(iot.registry.state.policies[thingName]!.versions)).toHaveLength(1)
    },
  )

  it('is refused to a plant of another company, and where the topic would become too long', async () => {
    await enrolled()
    const theirs = await createTenant(api.database.master, ['north'])
    expect((await ask('POST', `${path}/move`, { plantId: theirs.plants[0]!.plantId })).status).toBe(404)
    const long = 'x'.repeat(63)
    await api.database.master.query('update plants set slug = $1, province = $1 where id = $2', [long, plantId(1)])
    const name = `${tenant.slug}-${'y'.repeat(100)}`
    expect((await ask('POST', '/v1/gateways', { plantId: plantId(0), thingName: name })).body).toMatchObject({})
    expect(await ask('POST', `/v1/gateways/${name}/move`, { plantId: plantId(1) })).toMatchObject({
      ...{ status: 400, body: { errors: [{ path: 'plantId' }] } },
    })
  })
})

describe('a bundle', () => {
  it('holds configuration, CA and a script whose token enrols, and ends the token before', async () => {
    const before = await createdToken()
    const { status, headers, body } = await ask('POST', `${path}/bundle`)
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      ...{ 'content-type': 'application/zip', 'content-disposition': `attachment; filename="${thingName}.zip"` },
    })
    const files = unzipSync(body as Buffer)
    expect(Object.keys(files).toSorted()).toEqual(
      ['', 'README.txt', 'ca.pem', 'config.yaml', 'enrol.sh'].map((name) => `${thingName}/${name}`),
    )
    const script = strFromU8(files[`${thingName}/enrol.sh`]!)
    const [, token] = /--token ([0-9a-f]{64})/.exec(script)!
    const { csr } = await createKeyAndCsr()
    expect((await enrol(before, csr)).status).toBe(401)
    expect((await enrol(token!, csr)).status).toBe(201)
    expect(await ask('POST', `${path}/bundle`)).toMatchObject({ status: 409 })
  })
})
