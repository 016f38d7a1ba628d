import { execFile } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import * as v from 'valibot'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { Assembly, type LocalValues } from '../../local/assembly/assembly.ts'
import { startLocalCloud } from '../../local/cloud.ts'
import { Endpoints } from '../../local/endpoints.ts'
import { removePostgresData } from '../../local/postgres-home.ts'
import type { CreatedGateway, PlantPage } from '../../schemas/api.ts'
import { signIn } from '../helpers/api-client.ts'
import { launchChromium } from '../helpers/chromium.ts'
import { telemetry } from '../helpers/envelopes.ts'
import { signedInPage } from '../helpers/signed-in-page.ts'

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
  it('after a stop has the data of before, and pages that stayed open live again without a reload', async () => {
    const options = { rootDir: join(folder, 'cloud'), demo: false, anyPorts: true, assemblyCache }
    const first = await startLocalCloud(options)
    const { tenant, email } = first.endpoints.users[0]!
    const api = await signIn(first.endpoints, email)
    const plants = ((await api.get('/plants')) as PlantPage).items
    expect(plants).toHaveLength(2)
    const { plantId, province, slug: plant } = plants[0]!
    const { thingName } = ((await api.post('/gateways', { plantId })) as CreatedGateway).gateway
    let seq = Date.now()
    const tell = async ({ sqs }: Endpoints, temperature: number) => {
      const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
      const client = new SQSClient({ endpoint: sqs.url, region: sqs.region, credentials })
      const reading = { seq: (seq += 1), timestamp: Date.now(), values: { temperature } }
      const MessageBody = telemetry({ tenant, province, plant, thingName }, 'prensa', reading)
      await client.send(new SendMessageCommand({ QueueUrl: sqs.queues.telemetry, MessageBody }))
      client.destroy()
    }
    const browser = await launchChromium()
    try {
      // The policy of a page knows the socket's address of when it was opened, and here the next start has another.
      const page = await signedInPage(browser, first.endpoints, email, { bypassCSP: true })
      const shows = (...expected: [state: string, values: string[]]) =>
        expect
          .poll(
            async () => [
              await page.getByTestId('connection-state').getAttribute('data-state'),
              await page.locator('[data-machine] [data-tag="temperature"] .figure').allTextContents(),
            ],
            { timeout: 60_000 },
          )
          .toEqual(expected)
      await tell(first.endpoints, 40.5)
      await page.goto(`/plants/${plant}`)
      await shows('live', ['40,5'])
      await first.stop()
      await shows('reconnecting', ['40,5'])

      const webPort = Number(new URL(first.endpoints.web.url).port)
      const second = await startLocalCloud({ ...options, webPort })
      try {
        // As when somebody looks at it: else it may wait for its back-off.
        await page.evaluate(`document.dispatchEvent(new Event('visibilitychange'))`)
        await shows('live', ['40,5'])
        await tell(second.endpoints, 41.5)
        await shows('live', ['41,5'])
        await expect.poll(() => page.getByRole('alert').count(), { timeout: 60_000 }).toBe(0)
        const again = (await (await signIn(second.endpoints, email)).get('/plants')) as PlantPage
        expect(again.items.map(({ slug }) => slug)).toEqual(plants.map(({ slug }) => slug))
      } finally {
        await second.stop()
      }
    } finally {
      await browser.close()
    }
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
