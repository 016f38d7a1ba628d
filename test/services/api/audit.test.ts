import * as v from 'valibot'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { v7 as uuid } from 'uuid'
import { csv } from '../../../lambdas/runtime/csv.ts'
import { AuditPage, type AuditEntry } from '../../../schemas/people.ts'
import { type HttpApi, startHttpApi } from '../../helpers/http-api.ts'
import { createMachines, createTenant, createUser, type TestTenant } from '../../helpers/tenants.ts'

let api: HttpApi
let tenant: TestTenant
let admin: string

beforeAll(async () => {
  api = await startHttpApi()
  tenant = await createTenant(api.database.master, ['north', 'south'])
  admin = await createUser(api.database.master, tenant.tenantId, 'admin', 'all')
})
afterAll(() => api.close())

const page = async (query = '', as = admin) => {
  const answer = await api.request('GET', `/v1/audit${query}`, { as })
  expect(answer.status).toBe(200)
  return v.parse(AuditPage, answer.body)
}
const insert = (
  at: number,
  action: string,
  subject: string,
  more: { plant?: string; of?: string; before?: unknown } = {},
) =>
  api.database.master.query(
    `insert into audit_log (id, tenant_id, plant_id, at, action, subject, before, request_id) values ($1, $2, $3, $4, $5, $6, $7, 'r')`,
    [uuid(), more.of ?? tenant.tenantId, more.plant, at, action, subject, JSON.stringify(more.before ?? null)],
  )
const keys = ({ items }: { items: AuditEntry[] }) => items.map(({ action, subject }) => `${action} ${subject}`)

describe('the audit log', () => {
  it('says who has changed what, when, from what to what, and in which request', async () => {
    const [plant] = tenant.plants
    const [machineId] = (await createMachines(api.database.master, tenant.tenantId, plant!.plantId, 1)) as [string]
    const begin = Date.now()
    const answer = await api.request('PATCH', `/v1/machines/${machineId}`, { as: admin, body: { name: 'Press' } })
    const [entry] = (await page('?action=machine')).items
    expect(entry).toMatchObject({
      ...{ action: 'machine.change', subject: 'north/machine-0001', email: `${admin}@example.com` },
      ...{ before: { name: null, status: 'pending' }, after: { name: 'Press', status: 'pending' } },
      requestId: answer.headers['x-request-id'],
    })
    expect(entry!.at).toBeGreaterThanOrEqual(begin)
  })

  it('is filtered by time, person, action, kind of action and beginning of the subject', async () => {
    for (const [at, action, subject] of [
      [1000, 'gateway.create', 'g-1'],
      [2000, 'gateway.revoke', 'g-1'],
      [3000, 'gateway_x.create', 'g-2'],
    ] as const)
      await insert(at, action, subject)
    expect(keys(await page('?action=gateway'))).toEqual(['gateway.revoke g-1', 'gateway.create g-1'])
    expect(keys(await page('?action=gateway.create'))).toEqual(['gateway.create g-1'])
    expect(keys(await page('?subject=g-&to=3000'))).toEqual(['gateway.revoke g-1', 'gateway.create g-1'])
    expect(keys(await page('?from=2000&to=2001'))).toEqual(['gateway.revoke g-1'])
    const [userId] = (await page('?action=machine')).items.map((entry) => entry.userId)
    expect(keys(await page(`?userId=${userId}`))).toEqual(['machine.change north/machine-0001'])
    for (const wrong of ['?action=Gateway', '?userId=x', '?from=5&to=5', '?colour=red'])
      expect((await api.request('GET', `/v1/audit${wrong}`, { as: admin })).status).toBe(400)
  })

  it('is read in pages that new entries do not move, also where times are equal', async () => {
    for (let n = 0; n < 5; n += 1) await insert(500, 'page.test', `p-${n}`)
    const first = await page('?action=page&limit=2')
    await insert(600, 'page.test', 'new')
    const second = await page(`?action=page&limit=2&cursor=${first.nextCursor}`)
    const third = await page(`?action=page&limit=2&cursor=${second.nextCursor}`)
    expect([first, second, third].flatMap(keys).toSorted()).toEqual([0, 1, 2, 3, 4].map((n) => `page.test p-${n}`))
    expect(third.nextCursor).toBeNull()
  })

  it('shows an admin of some plants what is theirs, and nobody another company’s', async () => {
    const [north, south] = tenant.plants.map(({ plantId }) => plantId)
    const other = await createTenant(api.database.master, ['north'])
    await insert(700, 'own.north', 's', { plant: north! })
    await insert(701, 'own.south', 's', { plant: south! })
    await insert(702, 'own.company', 's')
    await insert(703, 'own.other', 's', { of: other.tenantId, plant: north! })
    const limited = await createUser(api.database.master, tenant.tenantId, 'admin', [north!])
    expect(keys(await page('?action=own', limited))).toEqual(['own.north s'])
    expect(keys(await page('?action=own'))).toEqual(['own.company s', 'own.south s', 'own.north s'])
  })

  it('comes as CSV in pages that make one file, and that no spreadsheet runs', async () => {
    for (let n = 0; n < 3; n += 1)
      await insert(800 + n, 'csv.test', n === 0 ? '=HYPERLINK("x")' : `a "b", c`, { before: { n } })
    const read = (query: string) =>
      api.request('GET', `/v1/audit?action=csv&limit=2${query}`, { as: admin, headers: { accept: 'text/csv' } })
    const first = await read('')
    expect(first.headers).toMatchObject({ 'content-type': 'text/csv; charset=utf-8' })
    expect(first.headers['content-disposition']).toContain('audit.csv')
    const second = await read(`&cursor=${String(first.headers['x-next-cursor'])}`)
    expect(second.headers['x-next-cursor']).toBeUndefined()
    expect(`${String(first.body)}${String(second.body)}`).toBe(
      [
        'time,user,action,subject,before,after,request',
        '1970-01-01T00:00:00.802Z,,csv.test,"a ""b"", c","{""n"":2}",,r',
        '1970-01-01T00:00:00.801Z,,csv.test,"a ""b"", c","{""n"":1}",,r',
        `1970-01-01T00:00:00.800Z,,csv.test,"'=HYPERLINK(""x"")","{""n"":0}",,r`,
        '',
      ].join('\r\n'),
    )
  })
})

it.each([
  ['=1+1', "'=1+1"],
  ['+1-2', "'+1-2"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\tx', "'\tx"],
  ['-2.5', '-2.5'],
  ['-2e-7', '-2e-7'],
  ['-2+3', "'-2+3"],
  ['two\nlines', '"two\nlines"'],
  ['Planta Ñuñoa', 'Planta Ñuñoa'],
])('%j is written into CSV as %j', (value, written) => {
  expect(csv([[value, null]])).toBe(`${written},\r\n`)
})
