import * as v from 'valibot'
import type { Assembly } from './assembly.ts'

const Seconds = v.optional(v.pipe(v.union([v.number(), v.string()]), v.transform(String)))
const Flag = v.optional(v.pipe(v.boolean(), v.transform(String)))

/** An attribute that is not here is refused: it would change what the queue does. */
const QueueProperties = v.strictObject({
  QueueName: v.optional(v.string()),
  FifoQueue: Flag,
  ContentBasedDeduplication: Flag,
  DeduplicationScope: v.optional(v.string()),
  FifoThroughputLimit: v.optional(v.string()),
  VisibilityTimeout: Seconds,
  MessageRetentionPeriod: Seconds,
  DelaySeconds: Seconds,
  MaximumMessageSize: Seconds,
  ReceiveMessageWaitTimeSeconds: Seconds,
  RedrivePolicy: v.optional(
    v.pipe(
      v.object({ deadLetterTargetArn: v.string(), maxReceiveCount: v.number() }),
      v.transform((policy) => JSON.stringify(policy)),
    ),
  ),
  KmsMasterKeyId: v.optional(v.unknown()),
  KmsDataKeyReusePeriodSeconds: v.optional(v.unknown()),
  SqsManagedSseEnabled: v.optional(v.unknown()),
  Tags: v.optional(v.unknown()),
})

/** Encryption and tags change nothing here; the name is no attribute. */
const WITHOUT_EFFECT = ['QueueName', 'KmsMasterKeyId', 'KmsDataKeyReusePeriodSeconds', 'SqsManagedSseEnabled', 'Tags']
const ATTRIBUTES = new Set(Object.keys(QueueProperties.entries)).difference(new Set(WITHOUT_EFFECT))

/** Names and attributes of all queues, in the words of SQS's API. */
export function readQueues(assembly: Assembly): { name: string; attributes: Record<string, string> }[] {
  return assembly.resources('AWS::SQS::Queue').map((queue) => {
    const attributes = Object.entries(v.parse(QueueProperties, queue.properties)).filter(
      (entry): entry is [string, string] => ATTRIBUTES.has(entry[0]) && typeof entry[1] === 'string',
    )
    return { name: String(assembly.attribute(queue, 'QueueName')), attributes: Object.fromEntries(attributes) }
  })
}
