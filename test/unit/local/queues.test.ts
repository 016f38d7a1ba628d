import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  ChangeMessageVisibilityCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { InvokeResult, LambdaFunction } from '../../../local/lambda/function.ts'
import { EventSource } from '../../../local/sqs/event-source.ts'
import { Guard } from '../../../local/iam/guard.ts'
import { type Queue, type QueueServer, startQueueServer } from '../../../local/sqs/queue-server.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'queues-'))
let server: QueueServer
let client: SQSClient

async function start(): Promise<void> {
  server = await startQueueServer({ dataDir, port: 0, guard: new Guard() })
  client = new SQSClient({
    endpoint: server.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  })
}
beforeAll(start)
afterAll(() => server.stop())

const send = (name: string, body: string) =>
  client.send(new SendMessageCommand({ QueueUrl: server.queueUrl(name), MessageBody: body }))
const receive = async (name: string) =>
  (await client.send(new ReceiveMessageCommand({ QueueUrl: server.queueUrl(name), MaxNumberOfMessages: 10 })))
    .Messages ?? []

describe('queues', () => {
  it('give a message back at once with visibility 0 (fauxqs 2.4.1 answers 500 with its own storage)', async () => {
    server.createQueue('back', { VisibilityTimeout: '30' })
    await send('back', 'hello')
    const [message] = await receive('back')
    await client.send(
      new ChangeMessageVisibilityCommand({
        QueueUrl: server.queueUrl('back'),
        ReceiptHandle: message!.ReceiptHandle,
        VisibilityTimeout: 0,
      }),
    )
    expect((await receive('back')).map(({ Body }) => Body)).toEqual(['hello'])
  })

  it('keep messages over a restart, those in flight too', async () => {
    server.createQueue('kept', { VisibilityTimeout: '300' })
    await send('kept', 'waiting')
    await send('kept', 'in flight')
    await receive('kept')
    await server.stop()
    await start()
    expect((await receive('kept')).map(({ Body }) => Body).sort()).toEqual(['in flight', 'waiting'])
  })
})

describe('event source', () => {
  const source = (queue: Queue, answer: (records: { messageId: string; body: string }[]) => InvokeResult) => {
    const seen: string[][] = []
    const target = {
      invoke: (event: { Records: { messageId: string; body: string }[] }) => {
        seen.push(event.Records.map(({ body }) => body))
        return Promise.resolve(answer(event.Records))
      },
    } as unknown as LambdaFunction
    const settings = { batchSize: 10, windowSec: 0, reportsItemFailures: true, maxConcurrency: 2 }
    const created = new EventSource(queue, server, target, settings)
    created.start()
    return { seen, stop: () => created.stop() }
  }
  const left = (queue: Queue) => queue.inspectMessages().ready.length + queue.inspectMessages().inflight.length

  it('deletes what is handled and keeps what is reported as failed', async () => {
    const queue = server.createQueue('partial', { VisibilityTimeout: '300' })
    for (const body of ['good', 'bad', 'fine']) await send('partial', body)
    const { seen, stop } = source(queue, (records) => ({
      payload: {
        batchItemFailures: records
          .filter(({ body }) => body === 'bad')
          .map(({ messageId }) => ({ itemIdentifier: messageId })),
      },
    }))
    await expect.poll(() => left(queue)).toBe(1)
    await stop()
    expect(seen.flat().sort()).toEqual(['bad', 'fine', 'good'])
    expect(queue.inspectMessages().inflight[0]!.message.body).toBe('bad')
  })

  it.each([
    ['an unknown id', { payload: { batchItemFailures: [{ itemIdentifier: 'nobody' }] } }],
    ['another form', { payload: { failures: [] } }],
    ['a function error', { functionError: 'Unhandled', payload: {} }],
  ] as const)('fails the whole batch at %s', async (name, answer) => {
    const queue = server.createQueue(`whole-${name.replaceAll(' ', '-')}`, { VisibilityTimeout: '300' })
    await send(queue.name, 'a')
    const { seen, stop } = source(queue, () => answer)
    await expect.poll(() => seen.length).toBe(1)
    await stop()
    expect(left(queue)).toBe(1)
  })

  it('moves a message that was received too often to the dead letters', async () => {
    const dead = server.createQueue('dead', {})
    const queue = server.createQueue('often', {
      VisibilityTimeout: '1',
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount: 2 }),
    })
    await send('often', 'poison')
    const { seen, stop } = source(queue, () => ({ functionError: 'Unhandled', payload: {} }))
    await expect.poll(() => left(dead), { timeout: 10_000 }).toBe(1)
    await stop()
    expect(seen).toHaveLength(2)
  })
})
