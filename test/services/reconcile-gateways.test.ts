/** AWS IoT and Postgres that differ, each way, and the function's own role in the database. */
import {
  AttachPolicyCommand,
  AttachThingPrincipalCommand,
  CreateCertificateFromCsrCommand,
  CreatePolicyCommand,
  CreatePolicyVersionCommand,
  CreateThingCommand,
  UpdateCertificateCommand,
} from '@aws-sdk/client-iot'
import * as v from 'valibot'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../lambdas/data/database.ts'
import { type Differences, reconcile } from '../../lambdas/reconcile-gateways/reconcile.ts'
import { openPostgres, type Postgres } from '../../lambdas/runtime/postgres.ts'
import { CreatedGateway, Enrolment } from '../../schemas/api.ts'
import { createCsr } from '../helpers/csr.ts'
import { type HttpApi, startHttpApi } from '../helpers/http-api.ts'
import { createTenant, createUser, type TestTenant } from '../helpers/tenants.ts'
import { startTestIot, type TestIot } from '../helpers/test-iot.ts'

const NOTHING: Differences = { repaired: [], unrepaired: [], withoutCertificate: [], removed: [], unknown: [] }

let api: HttpApi
let iot: TestIot
let postgres: Postgres<Database>
let tenant: TestTenant
let admin: string
let thingName: string

beforeAll(async () => {
  iot = await startTestIot()
  api = await startHttpApi({ iot: iot.iot, iotData: iot.iotData })
  const { PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD } = api.database.environment('iot_gateways') as Record<
    'PGHOST' | 'PGPORT' | 'PGDATABASE' | 'PGUSER' | 'PGPASSWORD',
    string
  >
  postgres = openPostgres<Database>({
    ...{ PGHOST, PGPORT: Number(PGPORT), PGDATABASE, PGUSER, PGPASSWORD, AWS_REGION: 'us-east-1' },
  })
})
afterAll(async () => {
  await postgres.close()
  await api.close()
  await iot.close()
})
beforeEach(async () => {
  iot.reset()
  await api.database.master.query('delete from gateways')
  tenant = await createTenant(api.database.master, ['north', 'south'])
  admin = await createUser(api.database.master, tenant.tenantId, 'admin', 'all')
  thingName = `${tenant.slug}-gw`
})

const run = (now = Date.now()) => reconcile({ db: postgres.db, iot: iot.iot, iotData: iot.iotData, stage: 'test' }, now)
const state = () => iot.registry.state
const ask = (method: string, path: string, body?: object) =>
  api.request(method, path, { as: admin, ...(body && { body }) })
const sql = (text: string) => api.database.master.query(text, [tenant.tenantId])

async function enrolled(name = thingName): Promise<string> {
  const created = await ask('POST', '/v1/gateways', { plantId: tenant.plants[0]!.plantId, thingName: name })
  const { token } = v.parse(CreatedGateway, created.body).enrolment
  const answer = await api.request('POST', '/v1/enrolments', { body: { token, csr: await createCsr() } })
  return v.parse(Enrolment, answer.body).certificateId
}

describe('the reconciler', () => {
  it('finds nothing to do where both agree, also of gateways that wait', async () => {
    await enrolled()
    await ask('POST', '/v1/gateways', { plantId: tenant.plants[0]!.plantId })
    expect(await run()).toEqual(NOTHING)
  })

  it.each(['UpdateCertificate', 'DetachThingPrincipal', 'DeleteConnection', 'DeletePolicy', 'DeleteThing'])(
    'finishes a deletion that had stopped at %s',
    async (command) => {
      await enrolled()
      iot.failAt(command, 'before')
      expect((await ask('DELETE', `/v1/gateways/${thingName}`)).status).toBe(500)
      expect(await run()).toEqual({ ...NOTHING, repaired: [thingName] })
      expect(state()).toMatchObject({ things: {}, policies: {}, certificates: {} })
      expect((await ask('GET', `/v1/gateways/${thingName}`)).status).toBe(404)
      expect(await run()).toEqual(NOTHING)
    },
  )

  it('finishes a revocation, and tries again what failed', async () => {
    await enrolled()
    iot.failAt('DetachPolicy', 'before')
    expect((await ask('POST', `/v1/gateways/${thingName}/revoke`)).status).toBe(500)
    iot.failAt('DeleteCertificate', 'before')
    expect(await run()).toEqual({ ...NOTHING, unrepaired: [thingName] })
    expect(await run()).toEqual({ ...NOTHING, repaired: [thingName] })
    expect(state().certificates).toEqual({})
    expect(Object.keys(state().things)).toEqual([thingName])
  })

  it('makes a missing Thing and policy again', async () => {
    await ask('POST', '/v1/gateways', { plantId: tenant.plants[0]!.plantId, thingName })
    const { policies } = structuredClone(state())
    iot.registry.change((s) => Object.assign(s, { things: {}, policies: {} }))
    expect(await run()).toEqual({ ...NOTHING, repaired: [thingName] })
    expect(state().policies).toEqual(policies)
    expect(Object.keys(state().things)).toEqual([thingName])
  })

  it('removes a certificate that nobody has noted from a gateway’s Thing or policy, and leaves the gateway’s own', async () => {
    const own = await enrolled()
    for (const attach of [
      (principal: string) => new AttachThingPrincipalCommand({ thingName, principal }),
      (target: string) => new AttachPolicyCommand({ policyName: thingName, target }),
    ]) {
      const { certificateArn } = await iot.iot.send(
        new CreateCertificateFromCsrCommand({ certificateSigningRequest: await createCsr(), setAsActive: true }),
      )
      await iot.iot.send(attach(certificateArn!) as AttachPolicyCommand)
      expect(await run()).toEqual({ ...NOTHING, repaired: [thingName] })
      expect(Object.keys(state().certificates)).toEqual([own])
      expect(await run()).toEqual(NOTHING)
    }
  })

  it('takes a gateway’s certificate off the Thing and the policy of another, and ends it not', async () => {
    const own = await enrolled()
    const other = await enrolled(`${thingName}-2`)
    const before = structuredClone(state())
    iot.registry.change((s) => {
      s.things[thingName]!.principals.push(other)
      s.certificates[other]!.policies.push(thingName)
    })
    expect(await run()).toEqual({ ...NOTHING, repaired: [thingName] })
    expect(state()).toMatchObject({ things: before.things, certificates: before.certificates })
    expect(Object.keys(state().certificates).toSorted()).toEqual([own, other].toSorted())
  })

  it('puts a policy back that says something else, also for a gateway that has been moved since', async () => {
    await enrolled()
    const { document } = state().policies[thingName]!
    const policyDocument = document.replaceAll(/topic\/[^"]+/g, 'topic/*')
    expect(policyDocument).not.toBe(document)
    await iot.iot.send(new CreatePolicyVersionCommand({ policyName: thingName, policyDocument, setAsDefault: true }))
    expect(await run()).toEqual({ ...NOTHING, repaired: [thingName] })
    expect(state().policies[thingName]!.document).toBe(document)
    await sql(`update gateways set plant_id = '${tenant.plants[1]!.plantId}' where tenant_id = $1`)
    expect(await run()).toEqual({ ...NOTHING, repaired: [thingName] })
    expect(state().policies[thingName]!.document).toBe(document.replaceAll('/north/', '/south/'))
    expect(await run()).toEqual(NOTHING)
  })

  it.each(['principals', 'policies'])(
    'attaches a gateway’s own certificate again that has lost its %s',
    async (what) => {
      const own = await enrolled()
      const before = structuredClone(state())
      iot.registry.change((s) => {
        if (what === 'principals') s.things[thingName]!.principals = []
        else s.certificates[own]!.policies = []
      })
      expect(await run()).toEqual({ ...NOTHING, repaired: [thingName] })
      expect(state()).toEqual(before)
    },
  )

  it('removes a certificate whose enrolment was never finished, by its key', async () => {
    await enrolled()
    await sql(
      `update gateway_certificates set state = 'requested', certificate_id = null, certificate_pem = null where tenant_id = $1`,
    )
    await sql(`update gateways set lifecycle = 'created' where tenant_id = $1`)
    iot.registry.change((s) => (s.things[thingName]!.principals = []))
    expect(await run()).toEqual(NOTHING)
    expect(await run(Date.now() + 3 * 3_600_000)).toEqual({ ...NOTHING, repaired: [thingName] })
    expect(state().certificates).toEqual({})
  })

  it('tells of a certificate that somebody has made inactive in AWS IoT, and leaves it so', async () => {
    const certificateId = await enrolled()
    await iot.iot.send(new UpdateCertificateCommand({ certificateId, newStatus: 'INACTIVE' }))
    expect(await run()).toEqual({ ...NOTHING, withoutCertificate: [thingName] })
    expect(state().certificates[certificateId]!.status).toBe('INACTIVE')
  })

  it('tells of a certificate that is gone', async () => {
    const id = await enrolled()
    iot.registry.change((s) => {
      s.things[thingName]!.principals = []
      Reflect.deleteProperty(s.certificates, id)
    })
    expect(await run()).toEqual({ ...NOTHING, withoutCertificate: [thingName] })
  })

  it('leaves alone what is of others, or of another stage', async () => {
    const policyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [] })
    for (const [name, attributes] of [
      ['of-others', {}],
      ['of-prod', { 'iot-telemetry-stage': 'prod' }],
    ] as const) {
      await iot.iot.send(new CreateThingCommand({ thingName: name, attributePayload: { attributes } }))
      await iot.iot.send(new CreatePolicyCommand({ policyName: name, policyDocument }))
    }
    expect(await run()).toEqual(NOTHING)
    expect(Object.keys(state().policies)).toEqual(['of-others', 'of-prod'])
    expect(Object.keys(state().things)).toEqual(['of-others', 'of-prod'])
  })

  it.each([undefined, 'DeletePolicy', 'DeleteThing'])(
    'removes a Thing of ours that no gateway has, with its policy, also after %s has failed',
    async (command) => {
      await ask('POST', '/v1/gateways', { plantId: tenant.plants[0]!.plantId, thingName })
      await api.database.master.query('delete from gateways')
      if (command !== undefined) {
        iot.failAt(command, 'before')
        expect(await run()).toEqual({ ...NOTHING, unrepaired: [thingName] })
        // By it the next run finds the policy.
        expect(Object.keys(state().things)).toEqual([thingName])
      }
      expect(await run()).toEqual({ ...NOTHING, removed: [thingName] })
      expect(state()).toMatchObject({ things: {}, policies: {} })
      expect(await run()).toEqual(NOTHING)
    },
  )

  it('removes a gateway’s policy that stands alone, unless it is attached to a certificate', async () => {
    const own = await enrolled()
    await api.database.master.query('delete from gateways')
    iot.registry.change((s) => Reflect.deleteProperty(s.things, thingName))
    expect(await run()).toEqual({ ...NOTHING, unknown: [thingName] })
    expect(Object.keys(state().policies)).toEqual([thingName])
    iot.registry.change((s) => (s.certificates[own]!.policies = []))
    expect(await run()).toEqual({ ...NOTHING, removed: [thingName] })
    expect(state().policies).toEqual({})
  })

  it('leaves a policy alone that is not as a gateway’s of its name', async () => {
    await enrolled()
    const policyDocument = state().policies[thingName]!.document
    await iot.iot.send(new CreatePolicyCommand({ policyName: 'copied', policyDocument }))
    expect(await run()).toEqual(NOTHING)
    expect(Object.keys(state().policies).toSorted()).toEqual(['copied', thingName])
  })

  it('tells of one that has a certificate, and takes nothing away: the database may have lost its gateways', async () => {
    await enrolled()
    const before = structuredClone(state())
    await api.database.master.query('delete from gateways')
    expect(await run()).toEqual({ ...NOTHING, unknown: [thingName] })
    expect(state()).toEqual(before)
  })

  it('leaves a gateway alone that is being changed', async () => {
    await enrolled()
    await sql(`update gateways set delete_requested_at = 1, busy_until = 9999999999999 where tenant_id = $1`)
    expect(await run()).toMatchObject({ repaired: [], unrepaired: [] })
    expect((await sql('select 1 from gateways where tenant_id = $1')).rowCount).toBe(1)
  })
})
