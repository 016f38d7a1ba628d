import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serveJson, type TestServer } from '../../helpers/http-server.ts'

const CLI = join(import.meta.dirname, '../../../lambdas/admin/cli.ts')

let folder: string
let lambda: TestServer
let answer: { headers?: Record<string, string>; body: unknown }
/** Given one after the other, before `answer` is. */
const answers: unknown[] = []
const invocations: [url: string | undefined, event: unknown][] = []

beforeAll(async () => {
  lambda = await serveJson((request, body) => {
    invocations.push([request.url, JSON.parse(body)])
    return answers.length > 0 ? { body: answers.shift() } : answer
  })
  folder = mkdtempSync(join(tmpdir(), 'iot-admin-'))
  mkdirSync(join(folder, '.local'))
  const endpoints = { lambda: { url: `http://${lambda.host}:${lambda.port}` } }
  writeFileSync(join(folder, '.local/endpoints.json'), JSON.stringify(endpoints))
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await lambda.close()
})

async function admin(args: string[], cwd = folder) {
  const child = spawn(process.execPath, [CLI, ...args], { cwd })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise((resolve) => child.on('close', resolve))
  return { code, output: output.trim() }
}

/** By util-linux's script, at a terminal of its own, with an answer to the question that ends in `to go on: `. */
async function atTerminal(args: string[], typed: string) {
  const command = [process.execPath, CLI, ...args].join(' ')
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], { cwd: folder })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    const wasAsked = output.includes('to go on: ')
    output += chunk.toString()
    if (!wasAsked && output.includes('to go on: ')) child.stdin.write(`${typed}\n`)
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  return { code, output: stripVTControlCharacters(output).trim() }
}

const CREATE_PLANT = [
  'plant',
  'create',
  'granix',
  'ba',
  'planta-baradero',
  '--name',
  'Planta',
  '--time-zone',
  'UTC',
  '--local',
  '--yes',
]

describe('npm run admin', () => {
  it('asks the function and says what came of it', async () => {
    answer = { body: { status: 'created', id: '01890a5d-ac96-774b-bcce-b302099a8057', message: 'plant created' } }
    expect(await admin(CREATE_PLANT)).toEqual({
      code: 0,
      output: 'plant created (01890a5d-ac96-774b-bcce-b302099a8057)',
    })
    expect(invocations.at(-1)).toEqual([
      '/2015-03-31/functions/iot-telemetry-dev-admin/invocations',
      {
        command: 'plant create',
        tenant: 'granix',
        province: 'ba',
        slug: 'planta-baradero',
        name: 'Planta',
        timeZone: 'UTC',
      },
    ])
    await admin([
      'user',
      'invite',
      'granix',
      'a@b.example',
      '--role',
      'viewer',
      '--plants',
      'x,y',
      '--local',
      '--yes',
      '--function',
      'mine',
    ])
    expect(invocations.at(-1)).toEqual([
      '/2015-03-31/functions/mine/invocations',
      { command: 'user invite', tenant: 'granix', email: 'a@b.example', role: 'viewer', plants: ['x', 'y'] },
    ])
  })

  it('lists dead letters, a line each, and asks for their redrive', async () => {
    const id = '01890a5d-ac96-774b-bcce-b302099a8057'
    const item = {
      ...{ id, code: 'unknown_tenant', message: 'There is no tenant nobody', topic: 'factory/nobody/x', machine: null },
      ...{ thingName: 'gw-1', receivedAt: 1, quarantinedAt: 1_736_359_200_000, redriveAt: null, bytes: 2 },
    }
    const items = [
      { ...item, text: '{\n', hex: '7b0a' },
      { ...item, topic: null, thingName: null, text: null, hex: 'ff00' },
    ]
    answer = { body: { status: 'listed', message: '2 dead letters', items } }
    const start = `2025-01-08T18:00:00.000Z  ${id}  unknown_tenant`
    expect(await admin(['dead-letter', 'list', '--code', 'unknown_tenant', '--local'])).toEqual({
      code: 0,
      output: [
        `${start}  factory/nobody/x  gw-1  There is no tenant nobody  "{\\n"`,
        `${start}  -  -  There is no tenant nobody  ff00`,
        '2 dead letters',
      ].join('\n'),
    })
    answer = { body: { status: 'accepted', message: '2 go back' } }
    expect(await admin(['dead-letter', 'redrive', '--ids', `${id},${id}`, '--local', '--yes'])).toEqual({
      code: 0,
      output: '2 go back',
    })
    expect(invocations.slice(-2).map(([, event]) => event)).toEqual([
      { command: 'dead-letter list', code: 'unknown_tenant' },
      { command: 'dead-letter redrive', ids: [id, id] },
    ])
  })

  it('says what it will do and does nothing when nobody is there to be asked', async () => {
    const tenant = { slug: 'granix', name: 'Granix', createdAt: 1, disabledAt: null, deletingAt: null }
    answer = {
      body: { status: 'tenants', message: '1', items: [{ ...tenant, plants: 2, machines: 3, gateways: 4, users: 5 }] },
    }
    const before = invocations.length
    const { code, output } = await admin(['tenant', 'delete', 'granix', '--local'])
    expect(code).toBe(2)
    expect(output).toContain('DELETE the tenant granix ("Granix", 2 plants, 3 machines, 4 gateways, 5 users)')
    expect(output).toContain('say --yes')
    expect(invocations.slice(before).map(([, event]) => event)).toEqual([{ command: 'tenant list' }])
    expect(await admin(CREATE_PLANT.slice(0, -1))).toMatchObject({ code: 2 })
    expect(invocations).toHaveLength(before + 1)
  })

  it('asks who sits at a terminal, and does it only when that one types what it says', async () => {
    answer = { body: { status: 'tenants', message: 'nothing is left of granix', items: [] } }
    const remove = ['tenant', 'delete', 'granix', '--local']
    for (const typed of ['n', 'yes', '\u0004']) {
      const before = invocations.length
      const { code, output } = await atTerminal(remove, typed)
      expect(output).toContain('will DELETE the tenant granix')
      expect(output, typed).toMatch(/Nothing was done\.$/)
      expect(code).toBe(1)
      expect(invocations.slice(before).map(([, event]) => event)).toEqual([{ command: 'tenant list' }])
    }
    expect(await atTerminal(remove, 'granix')).toMatchObject({ code: 0 })
    expect(invocations.at(-1)![1]).toEqual({ command: 'tenant delete', slug: 'granix' })
    expect(await atTerminal(CREATE_PLANT.slice(0, -1), 'yes')).toMatchObject({ code: 0 })
    expect(invocations.at(-1)![1]).toMatchObject({ command: 'plant create' })
  })

  it('goes on with a deletion until it is done', async () => {
    answers.push(
      { status: 'working', message: 'all gateways are gone', cursor: 'accounts:', waitMs: 0 },
      { status: 'working', message: 'for the consumers', cursor: 'keys:', waitMs: 20 },
      { status: 'deleted', message: 'nothing is left of granix', counts: { machines: 0, redis: 0 } },
    )
    expect(await admin(['tenant', 'delete', 'granix', '--local', '--yes'])).toEqual({
      code: 0,
      output: [
        'all gateways are gone',
        'waiting 1 s for the consumers',
        '0 in machines',
        '0 in redis',
        'nothing is left of granix',
      ].join('\n'),
    })
    expect(invocations.slice(-3).map(([, event]) => event)).toEqual([
      { command: 'tenant delete', slug: 'granix' },
      { command: 'tenant delete', slug: 'granix', cursor: 'accounts:' },
      { command: 'tenant delete', slug: 'granix', cursor: 'keys:' },
    ])
  })

  it('prints the link of an invitation', async () => {
    const id = '01890a5d-ac96-774b-bcce-b302099a8057'
    answer = {
      body: { status: 'invited', id, message: 'user a@b.example invited', link: 'https://web/reset?oobCode=1' },
    }
    const invite = ['user', 'invite', 'granix', 'a@b.example', '--role', 'admin', '--plants', 'all', '--local', '--yes']
    expect(await admin(invite)).toEqual({ code: 0, output: 'user a@b.example invited\nhttps://web/reset?oobCode=1' })
  })

  it('ends with 1 and one line when it was refused or failed', async () => {
    answer = { body: { status: 'refused', message: 'there is no tenant granix: create it first' } }
    expect(await admin(CREATE_PLANT)).toEqual({ code: 1, output: 'there is no tenant granix: create it first' })
    answer = { headers: { 'x-amz-function-error': 'Unhandled' }, body: { errorMessage: 'no database' } }
    const failed = await admin(CREATE_PLANT)
    expect(failed.code).toBe(1)
    expect(failed.output).toMatch(/^iot-telemetry-dev-admin failed, see its log: .*no database.*$/)
    const stopped = await admin(CREATE_PLANT, tmpdir())
    expect(stopped).toEqual({ code: 1, output: '.local/endpoints.json names no running system: run npm start first' })
  })

  it.each([
    [[], 'Usage:'],
    [['tenant', 'remove', 'x'], 'Usage:'],
    [['tenant', 'export', 'x'], '--to FOLDER'],
    [['tenant', 'disable', 'x', '--to', 'y'], '--to FOLDER'],
    [['tenant', 'create'], 'tenant create takes <slug>'],
    [['tenant', 'create', 'x'], 'name: '],
    [['tenant', 'create', 'Bad Slug', '--name', 'x'], 'slug: must be'],
    [['tenant', 'create', 'x', '--name', 'x', '--colour', 'red'], '--colour'],
    [['tenant', 'create', 'x', '--name', 'x', '--role', 'admin'], 'role: '],
    // It would be in the shell's history: people set their own.
    [['user', 'invite', 'x', 'a@b.example', '--password', 'x'], '--password'],
    [['dead-letter', 'redrive'], 'must have either ids or code'],
    [['dead-letter', 'redrive', '--ids', 'x'], 'ids.0: '],
    [['dead-letter', 'list', '--code', 'x'], 'code: '],
  ])('ends with 2 at wrong use: %s', async (args, message) => {
    const { code, output } = await admin(args)
    expect(code).toBe(2)
    expect(output).toContain(message)
    expect(output).not.toMatch(/\n {4}at /)
  })
})
