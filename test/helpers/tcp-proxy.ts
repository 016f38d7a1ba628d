import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Transform } from 'node:stream'

export interface TcpProxy {
  port: number
  /** Ends all connections and refuses new ones, as when the line is cut. */
  cut: () => void
  /** Lets connections through again. */
  mend: () => void
  /** Lets requests through and swallows their answers, until the line is cut. Resolves when one has been swallowed. */
  loseAnswers: () => Promise<void>
  /** The connections of now stay open and carry nothing any more, as those of a computer that slept; new ones do. */
  strand: () => void
  stop: () => Promise<void>
}

/**
 * A line that can be cut: forwards TCP bytes to `target`, so that TLS stays end to end. `target` is looked at for each
 * connection, so the server behind may move.
 */
export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let isCut = false
  let opened = 0
  let stranded = 0
  let swallowed: (() => void) | undefined
  const server = createServer((client) => {
    if (isCut) {
      client.destroy()
      return
    }
    const upstream = connect(target)
    opened += 1
    const number = opened
    const answers = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        swallowed?.()
        done(null, swallowed || number <= stranded ? undefined : chunk)
      },
    })
    client.pipe(upstream)
    upstream.pipe(answers).pipe(client)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    isCut = true
    swallowed = undefined
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    mend: () => {
      isCut = false
    },
    loseAnswers: () =>
      new Promise((resolve) => {
        swallowed = resolve
      }),
    strand: () => {
      stranded = opened
    },
    stop: () => {
      cut()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
