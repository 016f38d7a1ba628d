import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'

export interface HttpProxy {
  port: number
  /** Targets that were asked for, in order. */
  asked: string[]
  stop: () => Promise<void>
}

/** An HTTP proxy for CONNECT on a free port. With `status` it refuses; with `user` it wants Basic credentials. */
export async function startHttpProxy(
  options: { status?: number; user?: string; password?: string } = {},
): Promise<HttpProxy> {
  const asked: string[] = []
  const sockets = new Set<Socket>()
  const wanted = options.user && `Basic ${Buffer.from(`${options.user}:${options.password ?? ''}`).toString('base64')}`
  const server = createServer()
  server.on('connect', (request, client: Socket) => {
    const target = new URL(`http://${request.url!}`)
    asked.push(request.url!)
    sockets.add(client)
    const status = options.status ?? (wanted && request.headers['proxy-authorization'] !== wanted ? 407 : 200)
    if (status !== 200) return void client.end(`HTTP/1.1 ${status} refused\r\n\r\n`)
    const upstream = connect(Number(target.port), target.hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(upstream).pipe(client)
    })
    sockets.add(upstream)
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy())
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    stop: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
