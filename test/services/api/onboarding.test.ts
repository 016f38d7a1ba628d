import { createHash } from 'node:crypto'
import { CreatePolicyCommand, CreateThingCommand } from '@aws-sdk/client-iot'
import * as v from 'valibot'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CreatedGateway, Enrolment, Problem } from '../../../schemas/api.ts'
import { MAX_TOPIC_BYTES, statusTopic } from '../../../schemas/topics.ts'
import { createCsr, P256, rsa } from '../../helpers/csr.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { MQTT_ENDPOINT, startTestIot, type TestIot } from '../../helpers/test-iot.ts'
import { createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

let api: HttpApi
let iot: TestIot
let tenant: TestTenant
let plantId: string
let admin: string
let csr: string

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
  csr = await createCsr()
  tenant = await createTenant(api.database.master, ['baradero', 'other'])
  plantId = tenant.plants[0]!.plantId
  admin = await createUser(api.database.master, tenant.tenantId, 'admin', 'all')
})

const create = (body: object = { plantId }) => api.request('POST', '/v1/gateways', { as: admin, body })
const enrol = (token: string, request = csr) => api.request('POST', '/v1/enrolments', { body: { token, csr: request } })

async function rows(sql: string) {
  const { rows: found } = await api.database.master.query<Record<string, unknown>>(sql, [tenant.tenantId])
  return found
}
const gatewayRows = () => rows('select thing_name, lifecycle from gateways where tenant_id = $1')
const certificateRows = () => rows('select state, certificate_id from gateway_certificates where tenant_id = $1')
const names = (records: object) => Object.keys(records)
const certificates = () => Object.values(iot.registry.state.certificates)
const auditRows = () => rows('select action, subject, user_id from audit_log where tenant_id = $1 order by id')

async function created(body?: object): Promise<CreatedGateway> {
  const answer = await create(body)
  expect(answer.status).toBe(201)
  return v.parse(CreatedGateway, answer.body)
}
const createdToken = async () => (await created()).enrolment.token

describe('POST /v1/gateways', () => {
  it('makes Thing, policy and token, and says what to run', async () => {
    const { gateway, enrolment: made } = await created()
    const thingName = `${tenant.slug}-ba-gateway-1`
    expect(gateway).toMatchObject({ thingName, plantId, lifecycle: 'created', connection: 'never' })
    const { token, expiresAt, command } = made
    expect(command).toBe(
      `gateway-agent enroll --config /etc/gateway-agent/config.yaml --url https://api.example.com --token ${token}`,
    )
    // A token that began with a dash would be an option on the command line.
    expect(token).toMatch(/^[0-9a-f]{64}$/)
    expect(expiresAt - Date.now()).toBeGreaterThan(59 * 60_000)
    expect(names(iot.registry.state.things)).toEqual([thingName])
    expect(names(iot.registry.state.policies)).toEqual([thingName])
    const [enrolment] = await rows('select token_hash from enrolments where tenant_id = $1')
    expect(enrolment!['token_hash']).toEqual(createHash('sha256').update(token).digest())
    expect((await auditRows()).map(({ action }) => action)).toEqual(['gateway.create', 'gateway.prepare'])
  })

  it('counts names up, also when several are asked for at once', async () => {
    const answers = await Promise.all([created(), created(), created()])
    const made = answers.map(({ gateway }) => gateway.thingName).sort()
    expect(made).toEqual([1, 2, 3].map((n) => `${tenant.slug}-ba-gateway-${n}`))
  })

  it('refuses a name that is taken, whoever has it, without saying who', async () => {
    const thingName = `${tenant.slug}-mine`
    const { enrolment } = await created({ plantId, thingName })
    expect((await enrol(enrolment.token)).status).toBe(201)
    const again = await create({ plantId, thingName })
    const neighbour = await createTenant(api.database.master, ['baradero'])
    const theirAdmin = await createUser(api.database.master, neighbour.tenantId, 'admin', 'all')
    const theirs = await api.request('POST', '/v1/gateways', {
      as: theirAdmin,
      body: { plantId: neighbour.plants[0]!.plantId, thingName },
    })
    for (const answer of [again, theirs]) expect(answer).toMatchObject({ status: 409, body: { code: 'conflict' } })
    expect(v.parse(Problem, again.body).detail).toBe(v.parse(Problem, theirs.body).detail)
  })

  it('gives a gateway that was never enrolled a new token, which ends the one before', async () => {
    const thingName = `${tenant.slug}-late`
    const first = await created({ plantId, thingName })
    expect((await create({ plantId: tenant.plants[1]!.plantId, thingName })).status).toBe(409)
    iot.failAt('CreatePolicy', 'before')
    expect((await create({ plantId, thingName })).status).toBe(500)
    const again = await created({ plantId, thingName })
    expect(again.gateway).toEqual(first.gateway)
    expect(await gatewayRows()).toHaveLength(1)
    expect((await enrol(first.enrolment.token)).status).toBe(401)
    expect((await enrol(again.enrolment.token)).status).toBe(201)
  })

  it('takes up a gateway whose creation had stopped half-way, but not while that may still go on', async () => {
    const thingName = `${tenant.slug}-half`
    await create({ plantId, thingName })
    await api.database.master.query('delete from enrolments where tenant_id = $1', [tenant.tenantId])
    const lease = (end: number) =>
      api.database.master.query('update gateways set busy_until = $2 where tenant_id = $1', [tenant.tenantId, end])
    await lease(Date.now() + 20_000)
    expect(await create({ plantId, thingName })).toMatchObject({ status: 409, headers: { 'retry-after': '30' } })
    await lease(Date.now() - 1)
    expect((await create({ plantId, thingName })).status).toBe(201)
  })

  it('shortens the name that it makes up where long slugs leave little room in the topic', async () => {
    const long = 'x'.repeat(63)
    await api.database.master.query('update plants set slug = $1, province = $1 where id = $2', [long, plantId])
    const { thingName } = (await created()).gateway
    expect(thingName).toMatch(new RegExp(`^${tenant.slug}-x+-gateway-1$`))
    const topic = statusTopic({ tenant: tenant.slug, province: long, plant: long, thingName })
    expect(topic.length).toBeLessThanOrEqual(MAX_TOPIC_BYTES)
  })

  it('leaves a Thing of that name that is not ours as it is, and gives the name back', async () => {
    const thingName = `${tenant.slug}-theirs`
    const attributePayload = { attributes: { 'iot-telemetry-stage': 'another' } }
    await iot.iot.send(new CreateThingCommand({ thingName, attributePayload }))
    const before = structuredClone(iot.registry.state)
    expect(await create({ plantId, thingName })).toMatchObject({ status: 409, body: { code: 'conflict' } })
    expect(iot.registry.state).toEqual(before)
    expect(await gatewayRows()).toEqual([])
  })

  it('leaves the Thing where its policy cannot be taken back, for the reconciler to find both', async () => {
    const thingName = `${tenant.slug}-stuck`
    const policyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [] })
    await iot.iot.send(new CreatePolicyCommand({ policyName: thingName, policyDocument }))
    for (const command of ['GetPolicy', 'DeletePolicy']) iot.failAt(command, 'before')
    expect((await create({ plantId, thingName })).status).toBe(500)
    expect([names(iot.registry.state.things), await gatewayRows()]).toEqual([[thingName], []])
  })

  it('replaces the policy of an earlier gateway that stood elsewhere', async () => {
    const policyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [] })
    await iot.iot.send(new CreatePolicyCommand({ policyName: `${tenant.slug}-ba-gateway-1`, policyDocument }))
    expect((await create()).status).toBe(201)
    expect(JSON.stringify(iot.registry.state.policies)).toContain(`factory/${tenant.slug}/ba/baradero/*/telemetry`)
  })

  it.each(
    ['CreateThing', 'CreatePolicy'].flatMap((command) => [[command, 'before'] as const, [command, 'after'] as const]),
  )('leaves nothing when %s fails %s it took effect', async (command, when) => {
    iot.failAt(command, when)
    expect(await create()).toMatchObject({ status: 500, body: { code: 'internal' } })
    const { things, policies } = iot.registry.state
    expect([...names(things), ...names(policies)]).toEqual([])
    expect(await gatewayRows()).toEqual([])
    expect((await auditRows()).map(({ action }) => action)).toEqual(['gateway.create', 'gateway.create_undone'])
    expect((await created()).gateway.thingName).toBe(`${tenant.slug}-ba-gateway-1`)
  })
})

describe('POST /v1/enrolments', () => {
  it('gives certificate, CA, endpoint and topics, in few calls to AWS IoT', async () => {
    const token = await createdToken()
    const thingName = `${tenant.slug}-ba-gateway-1`
    const { status, body } = await enrol(token)
    expect(status).toBe(201)
    const [certificateId] = names(iot.registry.state.certificates)
    const { pem } = certificates()[0]!
    expect(body).toEqual({
      thingName,
      certificateId,
      certificatePem: pem,
      caPem: 'CA',
      endpoint: MQTT_ENDPOINT,
      topics: {
        telemetry: `factory/${tenant.slug}/ba/baradero/{machine}/telemetry`,
        status: `ops/${tenant.slug}/ba/baradero/gateway/${thingName}/status`,
      },
      tenant: tenant.slug,
      province: 'ba',
      plant: 'baradero',
    })
    expect(certificates()).toMatchObject([{ status: 'ACTIVE', policies: [thingName] }])
    expect(iot.registry.state.things[thingName]!.principals).toEqual([certificateId])
    expect(await gatewayRows()).toEqual([{ thing_name: thingName, lifecycle: 'enrolled' }])
    expect(await certificateRows()).toEqual([{ state: 'valid', certificate_id: certificateId }])
    expect((await auditRows()).at(-1)).toEqual({ action: 'gateway.enrol', subject: thingName, user_id: null })
    console.log(`AWS IoT calls of an onboarding: ${iot.calls.length} (${iot.calls.join(', ')}); to reach: at most 15`)
    expect(iot.calls.filter((call) => call !== 'DescribeEndpoint')).toHaveLength(5)
  })

  it('gives the same answer to the same key as long as the token lasts, and none to another key', async () => {
    const token = await createdToken()
    const first = await enrol(token)
    const { length } = iot.calls
    expect(await enrol(token)).toMatchObject({ status: 201, body: first.body as object })
    expect(iot.calls).toHaveLength(length)
    expect(await enrol(token, await createCsr())).toMatchObject({
      status: 401,
      body: { code: 'invalid_enrolment_token' },
    })
    expect(certificates()).toHaveLength(1)
    expect((await auditRows()).filter(({ action }) => action === 'gateway.enrol')).toHaveLength(1)
    await api.database.master.query('update enrolments set expires_at = 1 where tenant_id = $1', [tenant.tenantId])
    expect((await enrol(token)).status).toBe(401)
  })

  it('goes on with the certificate that AWS had made when this function was ended in the middle', async () => {
    const token = await createdToken()
    const { certificateId } = v.parse(Enrolment, (await enrol(token)).body)
    // As it was before the last step, and before the two before it.
    await api.database.master.query(
      `update gateway_certificates set state = 'requested', certificate_id = null, certificate_pem = null where tenant_id = $1`,
      [tenant.tenantId],
    )
    await api.database.master.query(`update gateways set lifecycle = 'created', busy_until = $2 where tenant_id = $1`, [
      ...[tenant.tenantId, Date.now() + 20_000],
    ])
    iot.registry.change((state) => {
      state.certificates[certificateId]!.policies = []
      state.things[`${tenant.slug}-ba-gateway-1`]!.principals = []
    })
    expect(await enrol(token)).toMatchObject({
      ...{ status: 409, headers: { 'retry-after': '30' }, body: { code: 'conflict' } },
    })
    await api.database.master.query(`update gateways set busy_until = 1 where tenant_id = $1`, [tenant.tenantId])
    expect(await enrol(token)).toMatchObject({ status: 201, body: { certificateId } })
    expect(certificates()).toMatchObject([{ status: 'ACTIVE', policies: [`${tenant.slug}-ba-gateway-1`] }])
    expect(await gatewayRows()).toMatchObject([{ lifecycle: 'enrolled' }])
  })

  it('refuses a key that another gateway has, of whichever company', async () => {
    await enrol(await createdToken())
    const neighbour = await createTenant(api.database.master, ['baradero'])
    const theirAdmin = await createUser(api.database.master, neighbour.tenantId, 'admin', 'all')
    const body = { plantId: neighbour.plants[0]!.plantId }
    const theirs = await api.request('POST', '/v1/gateways', { as: theirAdmin, body })
    const answer = await enrol(v.parse(CreatedGateway, theirs.body).enrolment.token)
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_csr' } })
    expect(certificates()).toHaveLength(1)
  })

  it('says the same of a token that is wrong, of another key or too old', async () => {
    const used = await createdToken()
    await enrol(used, await createCsr())
    const old = await createdToken()
    await api.database.master.query(
      'update enrolments set expires_at = 1 where id = (select max(id::text)::uuid from enrolments)',
    )
    const answers = await Promise.all(['wrong', used, old].map((token) => enrol(token)))
    const details = answers.map(({ body }) => ({ ...v.parse(Problem, body), requestId: '' }))
    expect(details[0]).toMatchObject({ status: 401, code: 'invalid_enrolment_token' })
    expect(new Set(details.map((detail) => JSON.stringify(detail))).size).toBe(1)
  })

  it('makes one certificate for a token that is used several times at once', async () => {
    const token = await createdToken()
    const answers = await Promise.all([enrol(token), enrol(token), enrol(token, await createCsr())])
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses.filter((status) => status === 201).length).toBeGreaterThan(0)
    expect(statuses.filter((status) => ![201, 401, 409].includes(status))).toEqual([])
    expect(certificates()).toHaveLength(1)
  })

  it('takes RSA keys of 2048 bits', async () => {
    expect((await enrol(await createdToken(), await createCsr(rsa(2048)))).status).toBe(201)
  })

  it('refuses other keys and broken requests, and keeps the token', async () => {
    const token = await createdToken()
    const der = Buffer.from(csr.replaceAll(/-----.*-----|\s/g, ''), 'base64')
    der.writeUInt8(der.readUInt8(der.length - 1) ^ 1, der.length - 1)
    const tampered = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----`
    const wrong = [await createCsr(rsa(1024)), await createCsr({ ...P256, namedCurve: 'P-384' }), tampered, 'x']
    for (const request of wrong) {
      expect(await enrol(token, request)).toMatchObject({
        status: 400,
        body: { code: 'invalid_csr', errors: [{ path: 'csr' }] },
      })
    }
    expect((await enrol(token)).status).toBe(201)
  })

  it.each([
    ...['CreateCertificateFromCsr', 'AttachPolicy', 'AttachThingPrincipal'].flatMap((command) => [
      [command, 'before'] as const,
      [command, 'after'] as const,
    ]),
  ])('leaves nothing when %s fails %s it took effect, and the token works again', async (command, when) => {
    const token = await createdToken()
    iot.failAt(command, when)
    expect(await enrol(token)).toMatchObject({ status: 500, body: { code: 'internal' } })
    expect(certificates()).toEqual([])
    expect(await gatewayRows()).toMatchObject([{ lifecycle: 'created' }])
    expect(await certificateRows()).toEqual([{ state: 'requested', certificate_id: null }])
    expect((await enrol(token)).status).toBe(201)
  })

  it('gives a certificate that holds when the one of a failed attempt could not be deleted', async () => {
    const token = await createdToken()
    iot.failAt('AttachThingPrincipal', 'before')
    iot.failAt('DeleteCertificate', 'before')
    expect((await enrol(token)).status).toBe(500)
    expect(certificates()).toMatchObject([{ status: 'INACTIVE', policies: [] }])
    expect((await enrol(token)).status).toBe(201)
    expect(certificates()).toMatchObject([{ status: 'ACTIVE', policies: [`${tenant.slug}-ba-gateway-1`] }])
  })

  it('leaves no certificate when the database fails at the end, and the token works again', async () => {
    const token = await createdToken()
    const { master } = api.database
    await master.query(`alter table gateways add constraint broken check (lifecycle <> 'enrolled') not valid`)
    const answer = await enrol(token)
    await master.query('alter table gateways drop constraint broken')
    expect(answer).toMatchObject({ status: 500, body: { code: 'internal' } })
    expect(JSON.stringify(answer)).not.toContain('broken')
    expect(certificates()).toEqual([])
    expect((await enrol(token)).status).toBe(201)
  })

  it('refuses the token of a gateway that was revoked in the meantime', async () => {
    const token = await createdToken()
    await api.database.master.query(`update gateways set lifecycle = 'revoked' where tenant_id = $1`, [tenant.tenantId])
    expect((await enrol(token)).status).toBe(401)
    expect(certificates()).toEqual([])
  })
})
