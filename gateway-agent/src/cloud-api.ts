import { once } from 'node:events'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { isIP } from 'node:net'
import { connect as connectTls } from 'node:tls'
import * as v from 'valibot'
import { Problem } from '../../schemas/api.ts'
import { Failure, messageOf } from './failure.ts'
import { openTunnel, type Proxy } from './proxy-tunnel.ts'

const TIMEOUT_MS = 30_000
/** The longest answer holds two certificates. */
const LONGEST_ANSWER = 65_536

/** The API as this gateway reaches it. */
export interface CloudApi {
  /** What its routes follow: https://HOST, or with a folder. */
  url: string
  proxy?: Proxy | undefined
}

/** The API has answered, and does not do what was asked. */
export class CloudRefusal extends Failure {
  /** A code of the API; undefined when the answer is none of this product's API. */
  readonly code: string | undefined

  constructor(message: string, code?: string) {
    super(message, 1)
    this.name = 'CloudRefusal'
    this.code = code
  }
}

/** The key has been used before, by another gateway or for a certificate that has ended: the next attempt wants another. */
export const isKeyRefused = (error: unknown) => error instanceof CloudRefusal && error.code === 'invalid_csr'

/** `text` with or without a slash at the end, with or without /v1. Throws a Failure when it is no web address. */
export function apiUrlOf(text: string): string {
  const url = URL.parse(text.replace(/\/+$/, '').replace(/\/v1$/, ''))
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new Failure(`--url: "${text}" is not a web address; allowed: https://HOST of the API`, 2)
  }
  return url.href.replace(/\/$/, '')
}

/**
 * One request to the API. Throws a CloudRefusal when it is refused or answered by something else, a Failure when there is
 * no answer. Not by fetch, which needs WebAssembly, and so does not work in a lean V8 (lean.ts).
 */
export async function askCloud<T extends v.GenericSchema>(
  { url: base, proxy }: CloudApi,
  path: `/v1/${string}`,
  body: object,
  answer: T,
  signal?: AbortSignal,
): Promise<v.InferOutput<T>> {
  const url = new URL(`${base}${path}`)
  const limit = AbortSignal.timeout(TIMEOUT_MS)
  const { status, text } = await send(
    url,
    proxy,
    JSON.stringify(body),
    signal ? AbortSignal.any([signal, limit]) : limit,
  )
  const content = parseJson(text)
  if (status < 200 || status > 299) throw refusalOf(url, status, content)
  const parsed = v.safeParse(answer, content)
  if (parsed.success) return parsed.output
  const [issue] = parsed.issues
  throw new CloudRefusal(
    `${url.href}: the answer is not what was asked for (${v.getDotPath(issue) ?? 'body'}: ${issue.message}); is ${base} the API's address?`,
  )
}

async function send(
  url: URL,
  proxy: Proxy | undefined,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  try {
    // Only now: it is memory.
    const { request } = url.protocol === 'https:' ? await import('node:https') : await import('node:http')
    const options: RequestOptions = {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        'content-length': Buffer.byteLength(body),
      },
      signal,
    }
    // One request every few minutes: a connection is not worth keeping.
    const sending = request(url, { ...options, ...(proxy ? await through(proxy, url) : { agent: false }) })
    sending.end(body)
    const [response] = (await once(sending, 'response')) as [IncomingMessage]
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) {
      text += String(chunk)
      if (text.length > LONGEST_ANSWER) throw new Error('the answer is too long')
    }
    return { status: response.statusCode!, text }
  } catch (error) {
    const reason = signal.aborted ? messageOf(signal.reason) : messageOf(error)
    throw new Failure(`${url.href}: cannot be reached: ${reason}; check that address, the network and DNS`, 1)
  }
}

async function through(proxy: Proxy, { protocol, hostname, port }: URL): Promise<RequestOptions> {
  const isTls = protocol === 'https:'
  const host = hostname.replace(/^\[(.+)\]$/, '$1')
  const tunnel = await openTunnel(proxy, { host, port: Number(port) || (isTls ? 443 : 80) }, TIMEOUT_MS)
  return {
    createConnection: () =>
      isTls ? connectTls({ socket: tunnel, host, ...(!isIP(host) && { servername: host }) }) : tunnel,
  }
}

function refusalOf(url: URL, status: number, content: unknown): CloudRefusal {
  const problem = v.safeParse(v.partial(Problem), content)
  const { code, detail, requestId } = problem.success ? problem.output : {}
  return new CloudRefusal(
    code
      ? `${url.href}: refused with ${status} ${code}: ${detail ?? ''}${requestId ? ` (request ${requestId})` : ''}`
      : `${url.href}: answered ${status}, and not as this product's API does; is that the API's address?`,
    code,
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
