import { Duration } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda'
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources'
import {
  DeduplicationScope,
  FifoThroughputLimit,
  type IQueue,
  Queue,
  QueueEncryption,
  type QueueProps,
} from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import type { Batching, Settings } from '../settings.ts'
import { alarm } from './alarm.ts'
import type { Access } from './lambda.ts'
import { QUARANTINE_VISIBILITY, takeIntoQuarantine } from './quarantine.ts'

/** The longest that SQS keeps a message. */
export const LONGEST_RETENTION = Duration.days(14)

/** Encrypted, and closed to whoever does not come over TLS. */
export const SAFE_QUEUE = {
  encryption: QueueEncryption.SQS_MANAGED,
  enforceSSL: true,
} as const satisfies QueueProps

export interface QueueConsumerProps {
  settings: Settings
  /** Begins the names of the alarms; each name is a heading of docs/runbook.md. */
  title: string
  /** Where its dead letters go; absent: to a queue of its own. */
  deadLetters?: Queue
  /** Ordered per message group. The sender gives each message its own deduplication id: equal items are all meant. */
  fifo?: boolean
  retention: Duration
  /** Of the handler. The queue hides a message for six times as long, which AWS asks for. */
  timeout: Duration
  /** Receives after which SQS gives a message up. */
  maxReceiveCount: number
  /** Alarm when the oldest message has waited for longer. */
  maxAge: Duration
  batching: Batching
  maxConcurrency: number
  /** The function that takes its own dead letters, and the variable that tells it of their queue. Absent: they stay there. */
  quarantine?: { handler: LambdaFunction; variable: string }
}

/**
 * A queue, its dead letters, the one function that consumes it, and the alarms of both.
 *
 * Dead letters come in two ways. What can never succeed is sent there by the handler at once, with its reason. What fails
 * for now (database away, lock, time-out) is a batch item failure and stays: SQS gives it up only after `maxReceiveCount`.
 */
export class QueueConsumer extends Construct {
  readonly queue: Queue
  readonly deadLetters: Queue
  /** What the handler's own time-out has to be. */
  readonly timeout: Duration
  readonly #props: QueueConsumerProps

  constructor(scope: Construct, id: string, props: QueueConsumerProps) {
    super(scope, id)
    const { fifo, retention, timeout, maxReceiveCount } = props
    this.#props = props
    this.timeout = timeout
    this.deadLetters =
      props.deadLetters ??
      new Queue(this, 'DeadLetters', {
        ...SAFE_QUEUE,
        ...(fifo && { fifo }),
        retentionPeriod: LONGEST_RETENTION,
        visibilityTimeout: QUARANTINE_VISIBILITY,
      })
    this.queue = new Queue(this, 'Queue', {
      ...SAFE_QUEUE,
      ...(fifo && FIFO_PER_GROUP),
      retentionPeriod: retention,
      visibilityTimeout: Duration.seconds(6 * timeout.toSeconds()),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount },
    })
    this.#alarms()
  }

  /** What the handler needs beside its messages, which `deliverTo` grants: where both queues are, and to bury a message. */
  get handling(): Access {
    return {
      environment: { QUEUE_URL: this.queue.queueUrl, DEAD_LETTER_QUEUE_URL: this.deadLetters.queueUrl },
      statements: [maySend(this.deadLetters)],
    }
  }

  /** What a function needs to put work on this queue, whose address it finds in the variable `name`. */
  sending(name: string): Access {
    return { environment: { [name]: this.queue.queueUrl }, statements: [maySend(this.queue)] }
  }

  /** What a function needs to look at what waits, without taking it; it finds the queue's address in the variable `name`. */
  peeking(name: string): Access {
    const mayReceive = new PolicyStatement({ actions: ['sqs:ReceiveMessage'], resources: [this.queue.queueArn] })
    return { environment: { [name]: this.queue.queueUrl }, statements: [mayReceive] }
  }

  /** Starts delivery to the handler, which must have this queue's time-out. */
  deliverTo(handler: LambdaFunction): void {
    const { batching, maxConcurrency } = this.#props
    handler.addEventSource(
      new SqsEventSource(this.queue, {
        batchSize: batching.batchSize,
        ...(batching.windowSec && { maxBatchingWindow: Duration.seconds(batching.windowSec) }),
        maxConcurrency,
        reportBatchItemFailures: true,
      }),
    )
  }

  #alarms(): void {
    const { settings, title, maxAge, quarantine, deadLetters } = this.#props
    const description = 'Messages were refused for good, or given up after many attempts.'
    if (quarantine !== undefined) {
      const { handler, variable } = quarantine
      const source = { settings, queue: this.deadLetters, variable, title, refused: 'dead letters', description }
      takeIntoQuarantine(this, handler, source)
    } else if (deadLetters === undefined) {
      alarm(this, 'DeadLettersAlarm', settings, {
        heading: `${title}: dead letters`,
        description,
        metric: this.deadLetters.metricApproximateNumberOfMessagesVisible({
          statistic: 'max',
          period: Duration.minutes(1),
        }),
        atLeast: 1,
      })
    }
    alarm(this, 'AgeAlarm', settings, {
      heading: `${title}: messages wait too long`,
      description: `The oldest message has waited for more than ${String(maxAge.toSeconds())} s.`,
      metric: this.queue.metricApproximateAgeOfOldestMessage({ statistic: 'max', period: Duration.minutes(1) }),
      atLeast: maxAge.toSeconds(),
    })
  }
}

/** Order and limits hold per message group, which lets each group have the throughput of a queue. */
const FIFO_PER_GROUP = {
  fifo: true,
  deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
  fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
} as const satisfies QueueProps

export const maySend = (queue: IQueue) =>
  new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [queue.queueArn] })
