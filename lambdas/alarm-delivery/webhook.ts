/**
 * A signed request to somebody else's URL (standardwebhooks.com). Its host is resolved here and the checked address is the one that
 * is connected to; redirects are not followed; nothing of the answer is used but its status.
 */
import { createHmac } from 'node:crypto'
import { request, type RequestOptions } from 'node:https'
import type { WebhookBody } from '../../schemas/alarm-requests.ts'
import { isIP } from 'node:net'
import { publicAddressesOf, type Resolve } from '../runtime/public-address.ts'

/** Of the whole request, connecting included. */
const TIMEOUT_MS = 8_000

export class WebhookRefused extends Error {
  override name = 'WebhookRefused'
}

export interface WebhookCall {
  url: string
  /** `whsec_` and the key in base64. */
  secret: string
  /** The same for each attempt: by it the receiver knows a repeat. */
  id: string
  body: WebhookBody
}

/** How it is reached; tests name their own. */
export interface Reach {
  addressesOf: (url: string) => Promise<string[]>
  tls?: Pick<RequestOptions, 'ca' | 'port'>
  timeoutMs?: number
}

export const publicly = (resolve?: Resolve): Reach => ({ addressesOf: (url) => publicAddressesOf(url, resolve) })

/** Header values; `timestampSec` is signed with the body, so that an old request cannot be sent again later. */
export function signatureOf(secret: string, id: string, timestampSec: number, body: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${timestampSec}.${body}`).digest('base64')}`
}

/** Rejects when it is not answered with 2xx in time: WebhookRefused says why, in words for its owner. */
export async function callWebhook(call: WebhookCall, reach: Reach): Promise<void> {
  const [address] = (await reach.addressesOf(call.url)) as [string]
  const body = JSON.stringify(call.body)
  const timestampSec = Math.floor(Date.now() / 1000)
  const status = await post(call.url, address, body, reach, {
    'content-type': 'application/json',
    'user-agent': 'iot-telemetry-alarms/1',
    'webhook-id': call.id,
    'webhook-timestamp': String(timestampSec),
    'webhook-signature': signatureOf(call.secret, call.id, timestampSec, body),
  })
  if (status >= 300 && status < 400) throw new WebhookRefused(`answered ${status}: redirects are not followed`)
  if (status < 200 || status > 299) throw new WebhookRefused(`answered ${status}`)
}

function post(
  url: string,
  address: string,
  body: string,
  { tls, timeoutMs = TIMEOUT_MS }: Reach,
  headers: Record<string, string>,
): Promise<number> {
  const { hostname } = new URL(url)
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const sent = request(url, {
    method: 'POST',
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
    // Pinned: whatever the name leads to by now. The certificate is still that of the name.
    lookup: (_host, _options, answer) => answer(null, [{ address, family: isIP(address) }]),
    agent: false,
    signal: AbortSignal.timeout(timeoutMs),
    ...(isIP(hostname) === 0 && { servername: hostname }),
    ...tls,
  })
  sent.on('response', (response) => {
    resolve(response.statusCode ?? 0)
    // Its body is nobody's business, however long it is.
    response.destroy()
  })
  sent.on('error', (error) => {
    const isLate = error.name === 'TimeoutError' || error.name === 'AbortError'
    reject(
      new WebhookRefused(
        isLate ? `did not answer within ${timeoutMs / 1000} s` : `cannot be reached: ${error.message}`,
      ),
    )
  })
  sent.end(body)
  return promise
}
