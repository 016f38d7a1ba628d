import { Duration } from 'aws-cdk-lib'
import { MathExpression } from 'aws-cdk-lib/aws-cloudwatch'
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda'
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import type { Construct } from 'constructs'
import type { Settings } from '../settings.ts'
import { alarm } from './alarm.ts'

/** Of the Quarantine function. A queue that it takes from hides a message for six times as long, which AWS asks for. */
export const QUARANTINE_TIMEOUT = Duration.seconds(15)
export const QUARANTINE_VISIBILITY = Duration.seconds(6 * QUARANTINE_TIMEOUT.toSeconds())

/** Minutes without a single letter stored while some wait: longer than any pause between two attempts. */
const STUCK_MINUTES = 20

export interface QuarantineSource {
  settings: Settings
  queue: IQueue
  /** Variable in which the function finds the queue's address. */
  variable: string
  /** Begins the names of both alarms: `{title}: {refused}` and `{title}: quarantine is stuck`. */
  title: string
  refused: string
  description: string
}

/**
 * Lets the Quarantine function take what comes into a queue of dead letters. One alarm says that something came, which is
 * counted by the queue itself; the other that it stays there: while Postgres is away, that is right.
 */
export function takeIntoQuarantine(scope: Construct, quarantine: LambdaFunction, source: QuarantineSource): void {
  const { settings, queue, variable, title, refused, description } = source
  quarantine.addEnvironment(variable, queue.queueUrl)
  // Two is the least that AWS takes.
  quarantine.addEventSource(
    new SqsEventSource(queue, { batchSize: 10, maxConcurrency: 2, reportBatchItemFailures: true }),
  )
  const period = Duration.minutes(1)
  alarm(scope, 'DeadLettersAlarm', settings, {
    heading: `${title}: ${refused}`,
    description,
    metric: queue.metricNumberOfMessagesReceived({ statistic: 'sum', period }),
    atLeast: 1,
  })
  alarm(scope, 'QuarantineAlarm', settings, {
    heading: `${title}: quarantine is stuck`,
    description: 'Dead letters stay in their queue.',
    metric: new MathExpression({
      label: 'Nothing stored while messages wait',
      expression: 'IF(waiting + hidden > 0 AND FILL(stored, 0) == 0, 1, 0)',
      usingMetrics: {
        waiting: queue.metricApproximateNumberOfMessagesVisible({ statistic: 'max', period }),
        hidden: queue.metricApproximateNumberOfMessagesNotVisible({ statistic: 'max', period }),
        stored: queue.metricNumberOfMessagesDeleted({ statistic: 'sum', period }),
      },
      period,
    }),
    atLeast: 1,
    periods: STUCK_MINUTES,
  })
}
