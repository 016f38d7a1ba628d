import { execFile } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as v from 'valibot'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { Assembly, type LocalValues } from '../../local/assembly/assembly.ts'
import { startLocalCloud } from '../../local/cloud.ts'
import { Endpoints } from '../../local/endpoints.ts'
import { removePostgresData } from '../../local/postgres-home.ts'

const endpoints = inject('endpoints')
const cloudDir = inject('cloudDir')
const assemblyCache = join(import.meta.dirname, '../../.local/assembly')
const folder = mkdtempSync(join(tmpdir(), 'local-start-'))
afterAll(() => {
  removePostgresData(join(folder, 'cloud/postgres'))
  rmSync(folder, { recursive: true })
})

describe('endpoints.json', () => {
  it('has every key of the contract, and everything that it names answers', async () => {
    const written = v.parse(Endpoints, JSON.parse(readFileSync(join(cloudDir, 'endpoints.json'), 'utf8')))
    expect(written).toEqual(endpoints)
    for (const url of [
      endpoints.web.url,
      `${endpoints.web.url}/config.json`,
      `${endpoints.api.url}/v1/health`,
      endpoints.metrics.url,
    ]) {
      expect((await fetch(url)).status, url).toBe(200)
    }
    const companies = new Map(Map.groupBy(endpoints.users, ({ tenant }) => tenant))
    expect([...companies.keys()]).toEqual(['granix', 'norpan'])
    expect(companies.get('granix')!.map(({ role }) => role)).toEqual(['admin', 'manager', 'plant_operator', 'viewer'])
  })
})

describe('a second start', () => {
  it('in the same folder says that one runs, and touches nothing', async () => {
    await expect(startLocalCloud({ rootDir: cloudDir, demo: false, anyPorts: true, assemblyCache })).rejects.toThrow(
      'already runs in this folder',
    )
    expect((await fetch(`${endpoints.api.url}/v1/health`)).status).toBe(200)
  })
})

describe('a start', () => {
  it('with a taken port for the page says so', async () => {
    const webPort = Number(new URL(endpoints.web.url).port)
    const attempt = startLocalCloud({
      rootDir: join(folder, 'port'),
      demo: false,
      anyPorts: true,
      webPort,
      assemblyCache,
    })
    await expect(attempt).rejects.toThrow(`Port ${webPort} is taken`)
  })
  it('with a wrong flag tells the right ones, with exit code 2', async () => {
    const ended = new Promise<{ code: unknown; stderr: string }>((resolve) => {
      const start = join(import.meta.dirname, '../../local/start.ts')
      execFile(process.execPath, [start, '--prot', '1'], (error, _stdout, stderr) =>
        resolve({ code: error?.code, stderr }),
      )
    })
    expect(await ended).toMatchObject({ code: 2, stderr: expect.stringContaining('--fresh') as string })
  })
  it('keeps its data: what was created before a stop is there after it', async () => {
    const options = { rootDir: join(folder, 'cloud'), demo: false, anyPorts: true, assemblyCache }
    const plants = async ({ api, users, firebase }: Endpoints) => {
      const { email, password } = users[0]!
      const url = `http://${firebase.emulatorHost}/identitytoolkit.googleapis.com/v1/accounts:signInWithPassword?key=x`
      const signIn = await fetch(url, { method: 'POST', body: JSON.stringify({ email, password }) })
      const { idToken } = (await signIn.json()) as { idToken: string }
      const answer = await fetch(`${api.url}/v1/plants`, { headers: { authorization: `Bearer ${idToken}` } })
      return ((await answer.json()) as { items: { plantId: string }[] }).items.map(({ plantId }) => plantId)
    }
    const first = await startLocalCloud(options)
    const before = await plants(first.endpoints)
    await first.stop()
    const second = await startLocalCloud(options)
    expect(await plants(second.endpoints)).toEqual(before)
    expect(before).toHaveLength(2)
    await second.stop()
    expect(globSync('endpoints.json', { cwd: options.rootDir })).toEqual([])
  })
})

describe('templates', () => {
  const local: LocalValues = {
    queueUrl: (name) => name,
    database: { host: 'h', port: 1 },
    redis: { host: 'h', port: 1 },
    secret: () => '{}',
  }
  const current = globSync('*/manifest.json', { cwd: assemblyCache })[0]!.split('/')[0]!

  it('with a resource type that local/ does not know stop the start, with its name', () => {
    const copy = join(folder, 'assembly')
    for (const file of globSync('*.json', { cwd: join(assemblyCache, current) }))
      cpSync(join(assemblyCache, current, file), join(copy, file))
    expect(() => Assembly.read(copy, local)).not.toThrow()
    const file = join(copy, 'Ingest.template.json')
    const template = JSON.parse(readFileSync(file, 'utf8')) as { Resources: Record<string, object> }
    template.Resources.Stream = { Type: 'AWS::Kinesis::Stream', Properties: {} }
    writeFileSync(file, JSON.stringify(template))
    expect(() => Assembly.read(copy, local)).toThrow('AWS::Kinesis::Stream (Ingest/Stream)')
  })
})
