// @peculiar/x509 needs it first.
import 'reflect-metadata'
import { createPrivateKey, generateKeyPairSync, webcrypto, X509Certificate, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import * as v from 'valibot'
import { Enrolment, Problem, type EnrolmentRequest } from '../../schemas/api.ts'
import { Failure, messageOf } from './failure.ts'
import { identityFiles, IdentityFile, isEnrolled, readIdentity } from './identity.ts'

const REQUEST_TIMEOUT_MS = 30_000
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const

/**
 * Makes this gateway's key, has the cloud sign it, and keeps the identity in `dataDir/identity`. The key is written
 * (0600) before anything is sent, and never leaves this computer. Everything is made in a folder beside and put in place
 * at the end: an enrolment that fails leaves the present identity as it was, and the next attempt uses the same key.
 */
export async function enrol(options: {
  dataDir: string
  url: string
  token: string
  force: boolean
}): Promise<IdentityFile> {
  const { dataDir, token } = options
  if (isEnrolled(dataDir) && !options.force) {
    throw new Failure(
      `${dataDir}: this gateway is enrolled already, as ${readIdentity(dataDir).thingName}; ` +
        'to replace that identity, stop the agent and enrol with --force',
      1,
    )
  }
  const url = enrolmentUrl(options.url)
  const privateKey = preparePrivateKey(dataDir)
  const enrolment = await request(url, { token, csr: await signingRequest(privateKey) })
  if (!belongsTo(enrolment.certificatePem, privateKey)) {
    throw new Failure(`${url.href}: answered with a certificate for another key; report this to the platform team`, 1)
  }
  return keep(dataDir, enrolment)
}

/** `--url` with or without a slash at the end, with or without /v1. */
export function enrolmentUrl(text: string): URL {
  const base = URL.parse(text.replace(/\/+$/, '').replace(/\/v1$/, ''))
  if (!base || !['http:', 'https:'].includes(base.protocol)) {
    throw new Failure(`--url: "${text}" is not a web address; allowed: https://HOST of the API`, 2)
  }
  return new URL(`${base.href.replace(/\/$/, '')}/v1/enrolments`)
}

function preparePrivateKey(dataDir: string): KeyObject {
  const files = identityFiles(dataDir, 'identity.new')
  try {
    mkdirSync(files.directory, { recursive: true, mode: 0o700 })
    if (existsSync(files.privateKey)) return createPrivateKey(readFileSync(files.privateKey))
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: ALGORITHM.namedCurve })
    writeFileSync(files.privateKey, privateKey.export({ type: 'pkcs8', format: 'pem' }), {
      mode: 0o600,
      flag: 'wx',
      flush: true,
    })
    return privateKey
  } catch (error) {
    throw new Failure(
      `${files.privateKey}: cannot keep the private key: ${messageOf(error)}; run as the agent's user`,
      1,
    )
  }
}

/** PKCS#10 in PEM. The cloud names the gateway by its token, so the subject says nothing. */
async function signingRequest(privateKey: KeyObject): Promise<string> {
  const { d, ...publicKey } = privateKey.export({ format: 'jwk' })
  const keys = {
    privateKey: await webcrypto.subtle.importKey('jwk', { ...publicKey, d }, ALGORITHM, false, ['sign']),
    publicKey: await webcrypto.subtle.importKey('jwk', publicKey, ALGORITHM, true, ['verify']),
  }
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=gateway',
    keys,
    signingAlgorithm: { ...ALGORITHM, hash: 'SHA-256' },
  })
  return csr.toString('pem')
}

async function request(url: URL, body: EnrolmentRequest): Promise<Enrolment> {
  let response: Response
  let text: string
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    })
    text = await response.text()
  } catch (error) {
    const reason = error instanceof Error && error.cause ? messageOf(error.cause) : messageOf(error)
    throw new Failure(`${url.href}: cannot be reached: ${reason}; check --url, the network and DNS, then try again`, 1)
  }
  const answer = parseJson(text)
  if (!response.ok) {
    const { reason, exitCode } = refusal(response.status, answer)
    throw new Failure(`${url.href}: ${reason}`, exitCode)
  }
  const enrolment = v.safeParse(Enrolment, answer)
  if (!enrolment.success) {
    throw new Failure(
      `${url.href}: the answer is not an enrolment (${enrolment.issues[0].message}); is --url the API's address?`,
      1,
    )
  }
  return enrolment.output
}

/** A token that is no good is wrong use: trying again changes nothing. */
function refusal(status: number, answer: unknown): { reason: string; exitCode: 1 | 2 } {
  const problem = v.safeParse(v.partial(Problem), answer)
  const { code, detail, requestId } = problem.success ? problem.output : {}
  if (code === 'invalid_enrolment_token') {
    return {
      reason:
        'the token is not valid: it was used already, has expired or was typed wrongly; create a new one for this gateway in the web application',
      exitCode: 2,
    }
  }
  const reason = code
    ? `refused with ${status} ${code}: ${detail ?? ''}${requestId ? ` (request ${requestId})` : ''}`
    : `answered ${status}, and not as this product's API does; is --url the API's address?`
  return { reason, exitCode: 1 }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function belongsTo(certificatePem: string, privateKey: KeyObject): boolean {
  try {
    return new X509Certificate(certificatePem).checkPrivateKey(privateKey)
  } catch {
    return false
  }
}

function keep(dataDir: string, enrolment: Enrolment): IdentityFile {
  const { certificatePem, caPem } = enrolment
  const identity = v.safeParse(IdentityFile, enrolment)
  if (!identity.success) {
    const [issue] = identity.issues
    throw new Failure(`the cloud's answer cannot be used: ${v.getDotPath(issue) ?? 'enrolment'} ${issue.message}`, 1)
  }
  const made = identityFiles(dataDir, 'identity.new')
  const current = identityFiles(dataDir)
  const old = identityFiles(dataDir, 'identity.old')
  try {
    const options = { mode: 0o600, flush: true }
    writeFileSync(made.certificate, certificatePem, options)
    writeFileSync(made.ca, caPem, options)
    writeFileSync(made.identity, `${JSON.stringify(identity.output, undefined, 2)}\n`, options)
    rmSync(old.directory, { recursive: true, force: true })
    if (existsSync(current.directory)) renameSync(current.directory, old.directory)
    renameSync(made.directory, current.directory)
    return identity.output
  } catch (error) {
    throw new Failure(
      `${current.directory}: the cloud has enrolled this gateway, but its identity cannot be kept: ${messageOf(error)}; ` +
        'make dataDir writable, then enrol with a new token',
      1,
    )
  }
}
