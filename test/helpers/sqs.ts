import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SQSClient,
  type Message,
} from '@aws-sdk/client-sqs'
import type { SQSEvent, SQSRecord } from 'aws-lambda'
import { startFauxqs } from 'fauxqs'
import { randomUUID } from 'node:crypto'

const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }

/** A real SQS emulator on a port of its own, with queues by name, and what a Lambda needs to reach it. */
export async function startQueues(...names: string[]) {
  const server = await startFauxqs({ port: 0, logger: false })
  const client = new SQSClient({ endpoint: server.address, region: 'us-east-1', credentials })
  const urls: Record<string, string> = {}
  for (const name of names) {
    const Attributes = name.endsWith('.fifo') ? { FifoQueue: 'true' } : {}
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: name, Attributes }))
    // The SDK goes to the queue URL's host, and the emulator's own host name resolves nowhere.
    urls[name] = new URL(new URL(QueueUrl!).pathname, server.address).href
  }
  return {
    url: (name: string) => urls[name]!,
    environment: {
      AWS_ENDPOINT_URL_SQS: server.address,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
    client,
    /** Takes all messages that are in the queue now. */
    async drain(name: string): Promise<Message[]> {
      const QueueUrl = urls[name]!
      const taken: Message[] = []
      for (;;) {
        const { Messages = [] } = await client.send(
          new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'] }),
        )
        if (Messages.length === 0) return taken
        taken.push(...Messages)
        for (const { ReceiptHandle } of Messages) {
          await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))
        }
      }
    },
    async stop() {
      client.destroy()
      await server.stop()
    },
  }
}
export type Queues = Awaited<ReturnType<typeof startQueues>>

/** What Lambda's event source hands to a consumer for these bodies. */
export function sqsEvent(bodies: string[], receiveCount = 1): SQSEvent {
  return { Records: bodies.map((body) => sqsRecord(body, receiveCount)) }
}

function sqsRecord(body: string, receiveCount: number): SQSRecord {
  return {
    messageId: randomUUID(),
    receiptHandle: randomUUID(),
    body,
    attributes: {
      ApproximateReceiveCount: String(receiveCount),
      SentTimestamp: String(Date.now()),
      SenderId: 'test',
      ApproximateFirstReceiveTimestamp: String(Date.now()),
    },
    messageAttributes: {},
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:telemetry',
    awsRegion: 'us-east-1',
  }
}
