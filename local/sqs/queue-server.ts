/**
 * SQS and S3 by fauxqs. Its parts are put together here instead of by its `startFauxqs`, because that listens on every
 * network interface; and because the rules and event sources use the queues directly, without a request each.
 */
import type { FastifyReply } from 'fastify'
import { buildApp } from 'fauxqs'
import { S3Store } from '../../node_modules/fauxqs/dist/s3/s3Store.js'
import { SnsStore } from '../../node_modules/fauxqs/dist/sns/snsStore.js'
import { type SqsQueue, SqsStore } from '../../node_modules/fauxqs/dist/sqs/sqsStore.js'
import { sqsOrS3Call } from '../iam/calls.ts'
import type { Guard } from '../iam/guard.ts'
import { ACCOUNT_ID, arn, REGION } from '../aws-identity.ts'
import { QueueStorage } from './queue-storage.ts'

export type Queue = SqsQueue

export interface QueueServer {
  url: string
  /** As clients of this run must write it: the port may have changed since the queue was made. */
  queueUrl(name: string): string
  /** Makes the queue, or gives the one that is there these attributes. */
  createQueue(name: string, attributes: Record<string, string>): Queue
  /** Deletes the queues that are not named. */
  keepOnly(names: string[]): void
  createBucket(name: string): void
  deadLetterQueue(arn: string): Queue | undefined
  stop(): Promise<void>
}

const RETENTION_SWEEP_MS = 5_000

/** Listens on one port for both services. All data is in `dataDir` and survives kill -9. */
export async function startQueueServer(options: { dataDir: string; port: number; guard: Guard }): Promise<QueueServer> {
  const sqs = new SqsStore()
  const sns = new SnsStore()
  const s3 = new S3Store()
  const storage = new QueueStorage(options.dataDir)
  // Loaded before it is attached: attached, the load would write every queue again and cascade its messages away.
  storage.load(sqs, sns, s3)
  sqs.persistence = storage
  s3.persistence = storage
  sqs.host = '' // queue URLs name the host that was asked
  sqs.region = REGION
  for (const queue of sqs.allQueues()) {
    queue.persistence = storage
    // Whoever held them has ended with the earlier run.
    for (const handle of [...queue.inflightMessages.keys()]) queue.changeVisibility(handle, 0)
  }
  const app = buildApp({
    logger: false,
    host: '',
    defaultRegion: REGION,
    stores: { sqsStore: sqs, snsStore: sns, s3Store: s3 },
  })
  options.guard.protect(app, sqsOrS3Call, refuse)
  const url = await app.listen({ port: options.port, host: '127.0.0.1' })
  const queueUrl = (name: string) => `${url}/${ACCOUNT_ID}/${name}`
  const sweep = setInterval(() => {
    for (const queue of sqs.allQueues()) dropExpired(queue)
  }, RETENTION_SWEEP_MS)
  return {
    url,
    queueUrl,
    createQueue(name, attributes) {
      const existing = sqs.getQueueByName(name)
      if (!existing) return sqs.createQueue(name, queueUrl(name), arn('sqs', name), attributes)
      existing.setAttributes(attributes)
      return existing
    },
    keepOnly(names) {
      for (const queue of [...sqs.allQueues()]) if (!names.includes(queue.name)) sqs.deleteQueue(queue.url)
    },
    createBucket(name) {
      if (!s3.hasBucket(name)) s3.createBucket(name)
    },
    deadLetterQueue: (queueArn) => sqs.getQueueByArn(queueArn),
    async stop() {
      clearInterval(sweep)
      await app.close()
      storage.close()
    },
  }
}

/** SQS answers JSON, S3 answers XML. */
function refuse(reply: FastifyReply, message: string): FastifyReply {
  if (reply.request.url === '/') return reply.code(403).send({ __type: 'AccessDenied', message })
  return reply
    .code(403)
    .type('application/xml')
    .send(`<Error><Code>AccessDenied</Code><Message>${message}</Message></Error>`)
}

/** fauxqs ignores MessageRetentionPeriod. A message in flight is left to who holds it. */
function dropExpired(queue: Queue): void {
  const oldest = Date.now() - Number(queue.attributes.MessageRetentionPeriod) * 1000
  const keep = (messages: Queue['messages']) => {
    const [fresh, expired] = [
      messages.filter((m) => m.sentTimestamp >= oldest),
      messages.filter((m) => m.sentTimestamp < oldest),
    ]
    for (const message of expired) queue.persistence?.deleteMessage(message.messageId)
    return fresh
  }
  queue.messages = keep(queue.messages)
  queue.delayedMessages = keep(queue.delayedMessages)
  for (const [group, messages] of queue.fifoMessages) {
    const fresh = keep(messages)
    if (fresh.length > 0) queue.fifoMessages.set(group, fresh)
    else queue.fifoMessages.delete(group)
  }
}
