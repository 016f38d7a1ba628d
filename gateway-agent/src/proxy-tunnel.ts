import type { Socket } from 'node:net'
import { messageOf } from './failure.ts'

/** An HTTP proxy that lets TLS through by CONNECT (RFC 9110, section 9.3.6). */
export interface Proxy {
  host: string
  port: number
  user?: string | undefined
  password?: string | undefined
}

/** The proxy is the reason why there is no connection; the message says what to do. */
export class ProxyFault extends Error {}

/** A connection to `target` through the proxy, ready for TLS. Rejects with a ProxyFault. */
export async function openTunnel(
  proxy: Proxy,
  target: { host: string; port: number },
  timeoutMs: number,
): Promise<Socket> {
  // Only where a proxy is configured: it is memory.
  const { request } = await import('node:http')
  const name = `proxy ${proxy.host}:${proxy.port}`
  const authority = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`
  return new Promise((resolve, reject) => {
    const connecting = request({
      host: proxy.host,
      port: proxy.port,
      method: 'CONNECT',
      path: authority,
      agent: false,
      timeout: timeoutMs,
      headers: {
        host: authority,
        ...(proxy.user !== undefined && {
          'proxy-authorization': `Basic ${Buffer.from(`${proxy.user}:${proxy.password ?? ''}`).toString('base64')}`,
        }),
      },
    })
    connecting.on('connect', ({ statusCode = 0 }, socket: Socket) => {
      if (statusCode >= 200 && statusCode < 300) {
        resolve(socket)
        return
      }
      socket.destroy()
      reject(new ProxyFault(`${name}: ${refusal(statusCode, proxy, authority)}`))
    })
    connecting.on('timeout', () => connecting.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)))
    connecting.on('error', (error) =>
      reject(new ProxyFault(`${name}: ${messageOf(error)}; check proxy.host and proxy.port, and the network to it`)),
    )
    connecting.end()
  })
}

function refusal(status: number, { user }: Proxy, authority: string): string {
  if (status === 407) {
    return user === undefined
      ? 'wants to know who asks (407): set proxy.user and proxy.password'
      : 'does not accept the user or the password (407): check proxy.user and proxy.password'
  }
  if (status === 403) return `does not let this computer through to ${authority} (403): ask for a rule that does`
  return `cannot open a connection to ${authority} (${status}): does the proxy reach the internet, and allow this port?`
}
