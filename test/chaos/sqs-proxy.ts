/** Stands between the functions and SQS: loses answers after they took effect, and refuses what is sent to one queue. */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import * as v from 'valibot'

export interface SqsProxy {
  url: string
  /** Answers lost, messages refused. */
  counts: { lost: number; refused: number }
  /** The next requests take effect, and their answers are lost. */
  loseAnswers(requests: number): void
  /**
   * Sends to the queue `name` fail: the whole request with an error of the service, or (`partly`) every second message of
   * it, which is how SQS says that it took only some.
   */
  refuse(name: string, how: 'wholly' | 'partly'): void
  /** Answers everything again. */
  mend(): void
  stop(): Promise<void>
}

const SendMessageBatch = v.object({
  QueueUrl: v.string(),
  Entries: v.array(v.looseObject({ Id: v.string() })),
})
const Answer = v.looseObject({ Failed: v.optional(v.array(v.unknown()), []) })
const SEND_BATCH = 'AmazonSQS.SendMessageBatch'

export async function startSqsProxy(emulator: string): Promise<SqsProxy> {
  const counts = { lost: 0, refused: 0 }
  let toLose = 0
  let refusing: { name: string; how: 'wholly' | 'partly' } | undefined

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    let body = await buffer(incoming)
    let refused: { Id: string }[] = []
    if (refusing && incoming.headers['x-amz-target'] === SEND_BATCH) {
      const { QueueUrl, Entries, ...rest } = v.parse(v.looseObject(SendMessageBatch.entries), JSON.parse(String(body)))
      if (QueueUrl.endsWith(`/${refusing.name}`)) {
        refused = Entries.filter((_, index) => refusing?.how === 'wholly' || index % 2 === 0)
        counts.refused += refused.length
        const taken = Entries.filter((entry) => !refused.includes(entry))
        if (taken.length === 0) {
          const failure = { __type: 'InternalError', message: 'refused by the proxy' }
          const told = refusing.how === 'wholly' ? failure : { Successful: [], Failed: refused.map(failureOf) }
          outgoing.writeHead(refusing.how === 'wholly' ? 500 : 200, { 'content-type': 'application/x-amz-json-1.0' })
          outgoing.end(JSON.stringify(told))
          return
        }
        body = Buffer.from(JSON.stringify({ ...rest, QueueUrl, Entries: taken }))
      }
    }
    const { status, headers, answer } = await forward(incoming, body)
    if (toLose > 0) {
      toLose -= 1
      counts.lost += 1
      incoming.socket.destroy()
      return
    }
    const told = refused.length === 0 ? answer : withFailures(answer, refused)
    outgoing.writeHead(status, { ...headers, 'content-length': told.length }).end(told)
  }

  function forward(incoming: IncomingMessage, body: Buffer) {
    const { promise, resolve, reject } = Promise.withResolvers<{
      status: number
      headers: Record<string, string | string[] | undefined>
      answer: Buffer
    }>()
    const headers = { ...incoming.headers, 'content-length': body.length }
    request(new URL(incoming.url!, emulator), { method: incoming.method!, headers }, (response) => {
      const { statusCode: status, headers: all } = response
      const kept = Object.fromEntries(Object.entries(all).filter(([name]) => name !== 'transfer-encoding'))
      buffer(response).then((answer) => resolve({ status: status!, headers: kept, answer }), reject)
    })
      .on('error', reject)
      .end(body)
    return promise
  }

  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => incoming.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    loseAnswers(requests) {
      toLose = requests
    },
    refuse(name, how) {
      refusing = { name, how }
    },
    mend() {
      toLose = 0
      refusing = undefined
    },
    stop() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

const failureOf = ({ Id }: { Id: string }) => ({
  ...{ Id, Code: 'InternalError', SenderFault: false },
  Message: 'refused by the proxy',
})

function withFailures(answer: Buffer, refused: { Id: string }[]): Buffer {
  const { Failed, ...rest } = v.parse(Answer, JSON.parse(String(answer)))
  return Buffer.from(JSON.stringify({ ...rest, Failed: [...Failed, ...refused.map(failureOf)] }))
}
