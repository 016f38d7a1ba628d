import { ReceiveMessageCommand, type SQSClient } from '@aws-sdk/client-sqs'

/**
 * How long the oldest of ten waiting messages has waited, in ms; 0 when none waits. SQS tells the age of its oldest message
 * only to CloudWatch, and minutes late. So some are looked at without hiding them from their consumer; a long poll, because
 * a short one asks only some of SQS's servers. Each look counts as a receive: do not look where nobody consumes.
 */
export async function longestWaitMs(sqs: SQSClient, queueUrl: string): Promise<number> {
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({
      QueueUrl: queueUrl,
      MaxNumberOfMessages: 10,
      VisibilityTimeout: 0,
      WaitTimeSeconds: 1,
      MessageSystemAttributeNames: ['SentTimestamp'],
    }),
  )
  const now = Date.now()
  return Math.max(0, ...Messages.map(({ Attributes }) => now - Number(Attributes!.SentTimestamp)))
}
