import type { Context } from 'aws-lambda'
import { v7 as uuid } from 'uuid'
import * as v from 'valibot'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { AdminAnswer } from '../../../schemas/admin.ts'
import { type FirebaseServer, startFirebase } from '../../helpers/firebase-server.ts'
import { PROJECT } from '../../helpers/firebase-tokens.ts'
import { createGateway } from '../../helpers/tenants.ts'
import { createDatabase, type TestDatabase } from '../../helpers/postgres.ts'

type Handler = (event: unknown, context: Context) => Promise<unknown>

let database: TestDatabase
let firebase: FirebaseServer
let handler: Handler

beforeAll(async () => {
  database = await createDatabase()
  firebase = await startFirebase()
  Object.assign(process.env, database.environment('iot_admin'), {
    ARCHIVE_BUCKET: 'none',
    EXPORTS_BUCKET: 'none',
    REDIS_URL: inject('redisUrl'),
    FIREBASE_PROJECT_ID: PROJECT,
    FIREBASE_API_KEY: 'key',
    FIREBASE_SECRET_ARN: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:firebase',
    AWS_REGION: 'us-east-1',
  })
  handler = (await import('../../../lambdas/admin/admin.lambda.ts')).handler
})
afterAll(async () => {
  await firebase.close()
  await database.close()
})

async function run(command: object) {
  const context = { awsRequestId: 'request-1', functionName: 'admin' } as Context
  // As Lambda carries it: JSON there and back.
  return v.parse(AdminAnswer, JSON.parse(JSON.stringify(await handler(command, context))))
}

const tenant = (slug: string) => ({ command: 'tenant create', slug, name: 'Granix' })
const plant = (of: string, slug: string, province = 'ba') => {
  const timeZone = 'America/Argentina/Buenos_Aires'
  return { command: 'plant create', tenant: of, province, slug, name: 'Planta Baradero', timeZone }
}
const user = (of: string, email: string, more: object = {}) => {
  return { command: 'user invite', tenant: of, email, role: 'admin', plants: 'all', ...more }
}

const DAY_MS = 86_400_000
const plantOf = async (of: string) => {
  const answer = await run(plant(of, 'measured-plant'))
  return 'id' in answer ? answer.id : undefined
}

describe('admin', () => {
  it('makes a tenant, a plant and a user once, with an audit entry each; again it says that they exist', async () => {
    const commands = [tenant('granix'), plant('granix', 'planta-baradero'), user('granix', 'Ana@Granix.example')]
    const first = []
    for (const command of commands) first.push(await run(command))
    const second = []
    for (const command of commands) second.push(await run(command))
    expect(first.map(({ status }) => status)).toEqual(['created', 'created', 'invited'])
    expect(second.map(({ status }) => status)).toEqual(['exists', 'exists', 'invited'])
    expect(second.map((answer) => 'id' in answer && answer.id)).toEqual(
      first.map((answer) => 'id' in answer && answer.id),
    )
    const { rows } = await database.master.query('select action, subject, request_id from audit_log order by id')
    expect(rows).toEqual([
      { action: 'tenant.create', subject: 'granix', request_id: 'request-1' },
      { action: 'plant.create', subject: 'planta-baradero', request_id: 'request-1' },
      { action: 'user.create', subject: 'ana@granix.example', request_id: 'request-1' },
      { action: 'user.invite', subject: 'ana@granix.example', request_id: 'request-1' },
      { action: 'user.invite', subject: 'ana@granix.example', request_id: 'request-1' },
    ])
  })

  it('gives a user the plants that are named, and uses an account that exists', async () => {
    await run(tenant('two-plants'))
    const north = await run(plant('two-plants', 'north'))
    await run(plant('two-plants', 'south'))
    firebase.local.create('beto@two.example', { emailVerified: true }, 'uid-of-beto')
    expect(await run(user('two-plants', 'beto@two.example', { role: 'viewer', plants: ['north'] }))).toMatchObject({
      status: 'invited',
      link: expect.stringMatching(/oobCode=./) as string,
    })
    const { rows } = await database.master.query(
      `select firebase_uid, role, all_plants, plant_ids from users where email = 'beto@two.example'`,
    )
    expect(rows).toEqual([
      { firebase_uid: 'uid-of-beto', role: 'viewer', all_plants: false, plant_ids: ['id' in north && north.id] },
    ])
  })

  it('refuses what is in the way, and says what', async () => {
    await run(tenant('norpan'))
    await run(tenant('other'))
    await run(plant('norpan', 'central'))
    await run(user('norpan', 'eva@norpan.example'))
    const refusals = [
      [user('other', 'eva@norpan.example'), 'eva@norpan.example belongs to another tenant'],
      [user('norpan', 'eva@norpan.example', { role: 'viewer' }), 'exists with the role admin'],
      [user('norpan', 'new@norpan.example', { plants: ['central', 'nowhere'] }), 'norpan has no plant nowhere'],
      [user('nobody', 'x@example.com'), 'there is no tenant nobody'],
      [plant('norpan', 'central', 'cba'), 'exists in province ba'],
      [plant('nobody', 'central'), 'there is no tenant nobody'],
      [{ command: 'tenant create', slug: 'Bad Slug', name: '' }, 'slug: must be'],
      [{ ...tenant('norpan'), name: 'Norpan SRL' }, 'the slug norpan is taken by "Granix"'],
      [{ command: 'tenant remove', slug: 'norpan' }, 'command'],
    ] as const
    for (const [command, message] of refusals) {
      const answer = await run(command)
      expect(answer).toMatchObject({ status: 'refused' })
      expect(answer.message).toContain(message)
    }
    expect(firebase.local.findByEmail('new@norpan.example')).toBeUndefined()
  })

  it('counts what a tenant has sent in the days that the archive has, and for how long its gateways were connected', async () => {
    const made = await run(tenant('measured'))
    await run(tenant('too-new'))
    const tenantId = 'id' in made ? made.id : ''
    const today = Math.floor(Date.now() / DAY_MS)
    const { master } = database
    await master.query('update tenants set created_at = $1 where id = $2', [(today - 11) * DAY_MS + 1, tenantId])
    const gatewayId = await createGateway(master, tenantId, (await plantOf('measured')) ?? '', 'measured-gateway')
    // In the days that are counted, from the day after it was made to the day before yesterday; and around them.
    for (const [day, state] of [
      [today - 11, 'live'],
      [today - 10, 'live'],
      [today - 2, 'publishing'],
      [today - 2, 'staged'],
      [today - 1, 'live'],
    ] as const)
      await master.query(`insert into archive_files values ($1, $2, $3, $4, 100, 1000, 1, sha256('x'), 1, $1, 1, 1)`, [
        uuid(),
        tenantId,
        day,
        state,
      ])
    // Connected before, away for two days, and connected until now.
    for (const [day, connection] of [
      [today - 20, 'online'],
      [today - 9, 'offline'],
      [today - 7, 'online'],
    ] as const)
      await master.query(`insert into gateway_connections values ($1, $2, $3, $4, null, null, false)`, [
        ...[tenantId, gatewayId, day * DAY_MS, connection],
      ])
    const answer = await run({ command: 'tenant costs' })
    const items = answer.status === 'usage' ? answer.items : []
    expect(items.find(({ slug }) => slug === 'measured')).toEqual({
      ...{ slug: 'measured', days: 9, messages: 200, samples: 2000, connectedMinutes: 7 * 24 * 60 },
    })
    expect(items.find(({ slug }) => slug === 'too-new')).toMatchObject({ days: 0, messages: 0 })
  })

  it('lists and redrives the dead letters of no tenant, and reaches none of a tenant', async () => {
    const owner = await run(tenant('owner'))
    const tenantId = 'id' in owner ? owner.id : undefined
    const insert = (id: string, of: string | undefined, code: string) =>
      database.master.query(
        `insert into quarantine (id, message_id, tenant_id, queue, code, message, quarantined_at, body, payload_bytes,
           payload_head) values ($1::uuid, $1::text, $2, 'telemetry', $3, 'why', 1, 'body', 2, '{}')`,
        [id, of, code],
      )
    const [nobodys, shapeless, theirs] = [uuid(), uuid(), uuid()]
    await insert(nobodys, undefined, 'unknown_tenant')
    await insert(shapeless, undefined, 'invalid_envelope')
    await insert(theirs, tenantId, 'unknown_tenant')
    const listed = async (more: object = {}) => {
      const answer = await run({ command: 'dead-letter list', ...more })
      return answer.status === 'listed' ? answer.items.map((item) => item.id) : answer
    }
    expect(await listed()).toEqual([shapeless, nobodys])
    expect(await listed({ code: 'unknown_tenant' })).toEqual([nobodys])
    const redrive = (more: object) => run({ command: 'dead-letter redrive', ...more })
    expect((await redrive({ ids: [theirs] })).message).toMatch(/^0 dead letters/)
    expect((await redrive({ code: 'unknown_tenant' })).message).toMatch(/^1 dead letters/)
    expect((await redrive({ ids: [shapeless] })).message).toMatch(/^1 dead letters/)
    expect(await redrive({})).toMatchObject({ status: 'refused', message: 'command: must have either ids or code' })
    const { rows } = await database.master.query('select id from quarantine where redrive_at is not null order by id')
    expect(rows).toEqual([nobodys, shapeless].toSorted().map((id) => ({ id })))
  })
})
