import {
  DeleteMessageCommand,
  type Message,
  type MessageAttributeValue,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs'
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda'
import { lambdaContext } from './lambda-context.ts'
import { createDatabase } from './postgres.ts'
import { startQueues } from './sqs.ts'
import { startTcpProxy } from './tcp-proxy.ts'

type Quarantine = (event: SQSEvent, context: Context) => Promise<SQSBatchResponse>
type Redrive = (event: unknown, context: Context) => Promise<{ redriven: number }>
export type DeadLetterQueue = 'telemetry-dead-letters' | 'status-dead-letters' | 'rule-errors'

/**
 * The functions Quarantine and Redrive in this process, with a database and queues. Their modules read the environment when
 * imported, so one test file has them once. They reach the queues through `line`, which can be cut.
 */
export async function startDeadLetters() {
  const database = await createDatabase()
  const queues = await startQueues(
    'telemetry',
    'status',
    'telemetry-dead-letters',
    'status-dead-letters',
    'rule-errors',
  )
  const server = new URL(queues.environment.AWS_ENDPOINT_URL_SQS)
  const line = await startTcpProxy({ host: server.hostname, port: Number(server.port) })
  const url = (queue: string) => `http://127.0.0.1:${line.port}${new URL(queues.url(queue)).pathname}`
  Object.assign(process.env, database.environment('iot_quarantine'), queues.environment, {
    AWS_ENDPOINT_URL_SQS: `http://127.0.0.1:${line.port}`,
    TELEMETRY_DEAD_LETTERS_URL: url('telemetry-dead-letters'),
    STATUS_DEAD_LETTERS_URL: url('status-dead-letters'),
    RULE_ERRORS_URL: url('rule-errors'),
    TELEMETRY_QUEUE_URL: url('telemetry'),
    STATUS_QUEUE_URL: url('status'),
    POWERTOOLS_METRICS_NAMESPACE: 'IotTelemetry',
  })
  const quarantine = (await import('../../lambdas/quarantine/quarantine.lambda.ts')).handler as Quarantine
  const redrive = (await import('../../lambdas/redrive/redrive.lambda.ts')).handler as Redrive
  const handle = (event: SQSEvent) => quarantine(event, lambdaContext)

  return {
    database,
    queues,
    line,
    handle,
    redrive: (context = lambdaContext) => redrive({}, context),
    /** Puts a message there, as a consumer that refuses it does, or the rules engine. */
    async send(queue: string, body: string, attributes: Record<string, string> = {}): Promise<void> {
      const MessageAttributes = Object.fromEntries(
        Object.entries(attributes).map(([name, StringValue]): [string, MessageAttributeValue] => [
          name,
          { DataType: 'String', StringValue },
        ]),
      )
      const message = { QueueUrl: queues.url(queue), MessageBody: body, MessageAttributes }
      await queues.client.send(new SendMessageCommand(message))
    },
    /** One poll of Lambda's event source: what is stored is deleted from the queue. Returns what was handed over. */
    async deliver(queue: DeadLetterQueue): Promise<SQSEvent> {
      const QueueUrl = queues.url(queue)
      const { Messages = [] } = await queues.client.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: 10,
          MessageAttributeNames: ['All'],
          MessageSystemAttributeNames: ['All'],
        }),
      )
      const event = { Records: Messages.map((message) => recordOf(queue, message)) }
      if (Messages.length === 0) return event
      const { batchItemFailures } = await handle(event)
      const failed = new Set(batchItemFailures.map((failure) => failure.itemIdentifier))
      for (const { MessageId, ReceiptHandle } of Messages) {
        if (!failed.has(MessageId!)) await queues.client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))
      }
      return event
    },
    async stop() {
      await database.close()
      await line.stop()
      await queues.stop()
    },
  }
}
export type DeadLetters = Awaited<ReturnType<typeof startDeadLetters>>

/** As Lambda's event source hands it over. */
export function recordOf(queue: DeadLetterQueue, message: Message): SQSRecord {
  return {
    messageId: message.MessageId!,
    receiptHandle: message.ReceiptHandle ?? '',
    body: message.Body!,
    attributes: {
      ApproximateReceiveCount: '1',
      SentTimestamp: String(Date.now()),
      SenderId: 'test',
      ApproximateFirstReceiveTimestamp: String(Date.now()),
      ...message.Attributes,
    },
    messageAttributes: Object.fromEntries(
      Object.entries(message.MessageAttributes ?? {}).map(([name, { StringValue }]) => [
        name,
        { stringValue: StringValue!, dataType: 'String' },
      ]),
    ),
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:${queue}`,
    awsRegion: 'us-east-1',
  }
}
