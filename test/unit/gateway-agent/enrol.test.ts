import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import * as v from 'valibot'
import { apiUrlOf } from '../../../gateway-agent/src/cloud-api.ts'
import { enrol } from '../../../gateway-agent/src/enrol.ts'
import { identityFiles, readIdentity } from '../../../gateway-agent/src/identity.ts'
import { EnrolmentRequest, type Enrolment } from '../../../schemas/api.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { certificateIdOf } from './test-identity.ts'
import { createAuthority, type TestAuthority } from './test-authority.ts'

let authority: TestAuthority
beforeAll(async () => {
  authority = await createAuthority()
})

const THING = 'granix-ba-gateway-1'
const enrolmentOf = (certificatePem: string): Enrolment => ({
  thingName: THING,
  certificateId: certificateIdOf(certificatePem),
  certificatePem,
  caPem: authority.caPem,
  endpoint: 'abc-ats.iot.us-east-1.amazonaws.com',
  topics: {
    telemetry: 'factory/granix/ba/norte/{machine}/telemetry',
    status: `ops/granix/ba/norte/gateway/${THING}/status`,
  },
  tenant: 'granix',
  province: 'ba',
  plant: 'norte',
})

/** An HTTP server that answers POST /v1/enrolments as `respond` says. */
async function serve(
  respond: (request: EnrolmentRequest) => Promise<[number, unknown]> | [number, unknown],
): Promise<string> {
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const [status, content] =
      request.url === '/v1/enrolments' && request.method === 'POST'
        ? await respond(v.parse(EnrolmentRequest, JSON.parse(body)))
        : [404, 'not here']
    response.writeHead(status).end(typeof content === 'string' ? content : JSON.stringify(content))
  }
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const signing = () => serve(async ({ csr }) => [201, enrolmentOf(await authority.signRequest(csr, THING))])
const attempt = (url: string, dataDir: string, force = false) => enrol({ url }, { dataDir, token: 'token-1', force })

describe('enrolment', () => {
  it.each(['', '/', '/v1', '/v1/'])('accepts the address with "%s" at its end', async (end) => {
    const dataDir = join(temporaryFolder(), 'data')
    expect((await attempt(`${await signing()}${end}`, dataDir)).thingName).toBe(THING)
  })

  it('makes a P-256 key that only the agent can read, and keeps an identity that run can use', async () => {
    const dataDir = join(temporaryFolder(), 'data')
    const url = await signing()
    await attempt(url, dataDir)
    const files = identityFiles(dataDir)
    expect(statSync(files.privateKey).mode & 0o777).toBe(0o600)
    expect(statSync(files.directory).mode & 0o777).toBe(0o700)
    const identity = readIdentity(dataDir)
    expect(identity.privateKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' })
    expect(new X509Certificate(identity.certificatePem).checkPrivateKey(identity.privateKey)).toBe(true)
    expect(JSON.parse(readFileSync(files.identity, 'utf8'))).toMatchObject({
      thingName: THING,
      endpoint: 'abc-ats.iot.us-east-1.amazonaws.com',
      apiUrl: url,
    })
  })

  it('refuses to replace an identity unawares, and with --force replaces key and certificate', async () => {
    const dataDir = join(temporaryFolder(), 'data')
    const url = await signing()
    await attempt(url, dataDir)
    const before = readFileSync(identityFiles(dataDir).privateKey, 'utf8')
    await expect(attempt(url, dataDir)).rejects.toThrow(/enrolled already, as granix-ba-gateway-1; .*--force/)
    await attempt(url, dataDir, true)
    expect(readFileSync(identityFiles(dataDir).privateKey, 'utf8')).not.toBe(before)
    readIdentity(dataDir)
  })

  it('a token that is used or expired is told as such; a failed --force leaves the identity as it was', async () => {
    const dataDir = join(temporaryFolder(), 'data')
    await attempt(await signing(), dataDir)
    const before = readFileSync(identityFiles(dataDir).privateKey, 'utf8')
    const refusing = await serve(() => [
      400,
      { status: 400, code: 'invalid_enrolment_token', detail: 'used', requestId: 'r-1' },
    ])
    await expect(attempt(refusing, dataDir, true)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(
        'the token is not valid: it was used already, has expired or was typed wrongly',
      ) as string,
    })
    expect(readFileSync(identityFiles(dataDir).privateKey, 'utf8')).toBe(before)
    readIdentity(dataDir)
  })

  it('the key is on the disk before anything is sent, and the next attempt sends the same request', async () => {
    const dataDir = join(temporaryFolder(), 'data')
    const requests: string[] = []
    const url = await serve(({ csr }) => {
      expect(existsSync(identityFiles(dataDir, 'identity.new').privateKey)).toBe(true)
      requests.push(csr)
      return [503, { status: 503, code: 'internal', detail: 'database away', requestId: 'r-2' }]
    })
    await expect(attempt(url, dataDir)).rejects.toThrow('refused with 503 internal: database away (request r-2)')
    await expect(attempt(url, dataDir)).rejects.toThrow('503')
    expect(requests).toEqual([requests[0], requests[0]])
    expect(existsSync(identityFiles(dataDir).directory)).toBe(false)
  })

  it('a key that the cloud knows already is given up, and the next attempt makes another', async () => {
    const dataDir = join(temporaryFolder(), 'data')
    const requests: string[] = []
    const url = await serve(({ csr }) => {
      requests.push(csr)
      return [400, { status: 400, code: 'invalid_csr', detail: 'Its key has been used before.', requestId: 'r-3' }]
    })
    await expect(attempt(url, dataDir)).rejects.toThrow('refused with 400 invalid_csr: Its key has been used before.')
    await expect(attempt(url, dataDir)).rejects.toThrow('400')
    expect(requests[1]).not.toBe(requests[0])
  })

  it.each([
    ['a web page', () => [200, '<html>'] as [number, unknown], 'the answer is not what was asked for'],
    ['something else', () => [404, 'nginx'] as [number, unknown], "answered 404, and not as this product's API does"],
    [
      'another key',
      async () => [201, enrolmentOf((await authority.issue(THING)).certificatePem)] as [number, unknown],
      'a certificate for another key',
    ],
  ])('an answer that is %s', async (_, respond, message) => {
    await expect(attempt(await serve(respond), temporaryFolder())).rejects.toThrow(message)
  })

  it('an address that nobody answers, and one that is none', async () => {
    await expect(attempt('http://127.0.0.1:1', temporaryFolder())).rejects.toThrow(
      /cannot be reached: .*; check that address/,
    )
    expect(() => apiUrlOf('localhost:8081')).toThrow(expect.objectContaining({ exitCode: 2 }) as Error)
    expect(apiUrlOf('https://iot.example.com/v1/')).toBe('https://iot.example.com')
    expect(apiUrlOf('https://iot.example.com/dev')).toBe('https://iot.example.com/dev')
  })
})
