import { CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib'
import { Rule, Schedule } from 'aws-cdk-lib/aws-events'
import { LambdaFunction as Invoke } from 'aws-cdk-lib/aws-events-targets'
import { Queue } from 'aws-cdk-lib/aws-sqs'
import type { Construct } from 'constructs'
import { STATUS_FILTER, TELEMETRY_FILTER } from '../../schemas/topics.ts'
import { alarm, houseMetric } from '../constructs/alarm.ts'
import { houseFunction, type Surroundings } from '../constructs/lambda.ts'
import { QUARANTINE_TIMEOUT, QUARANTINE_VISIBILITY, takeIntoQuarantine } from '../constructs/quarantine.ts'
import { LONGEST_RETENTION, QueueConsumer, SAFE_QUEUE } from '../constructs/queue-consumer.ts'
import { TopicRule } from '../constructs/topic-rule.ts'
import { INGEST_PROFILES } from '../settings.ts'
import type { AlarmsStack } from './alarms.ts'
import type { DataStack } from './data.ts'

/**
 * SQS's maximum. The handlers hide a message that failed for now for up to 15 min, so a thousand receives last ten days:
 * no outage of the database moves anything to the dead letters before somebody has seen the alarm on age.
 */
const NEVER_GIVE_UP = 1000

/** Age from which a reading is late: it had waited in a gateway, and nobody waits for it. */
const LATE_FROM_MS = 60_000

/** Each rule looks at the clock by itself: without it a reading of just that age could be taken by neither. Both may take it: it is stored once. */
const OVERLAP_MS = 1_000

/**
 * Whether a telemetry message was taken so long before it came; false of one that does not say. It reads the payload by
 * functions only: with a name of the JSON in it, a rule would not see bytes that are not JSON as they are.
 * https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-where.html, "Example with non-JSON payload"
 */
const isOlderThan = (ageMs: number) =>
  `get_or_default(timestamp() - get(decode(encode(*, 'base64'), 'base64'), 'timestamp') > ${String(ageMs)}, false)`

/**
 * Broker to database: rules, queues and their consumers. Status has its own, so a telemetry backlog cannot make gateways
 * look offline; and so have late readings, so that what is live does not wait behind a plant's whole week.
 */
export class IngestStack extends Stack {
  /** Plants whose watchers have something new to see. It is consumed by the Live stack. */
  readonly fanOut: QueueConsumer

  constructor(
    scope: Construct,
    id: string,
    props: StackProps,
    surroundings: Surroundings,
    { postgres, redis }: DataStack,
    { deliveries }: AlarmsStack,
  ) {
    super(scope, id, props)
    const { settings } = surroundings
    const { maxConcurrency } = settings

    // An item is sent per plant (the message group), and what is a minute old is not worth showing: no retries.
    this.fanOut = new QueueConsumer(this, 'FanOutQueue', {
      settings,
      title: 'Live fan-out',
      fifo: true,
      retention: Duration.seconds(60),
      timeout: Duration.seconds(10),
      maxReceiveCount: 3,
      maxAge: Duration.seconds(30),
      batching: { batchSize: 10 },
      maxConcurrency: maxConcurrency.fanOut,
    })
    const stores = [postgres.as('iot_ingest'), redis.access, this.fanOut.sending('FAN_OUT_QUEUE_URL')]

    const quarantine = houseFunction(this, 'Quarantine', surroundings, {
      folder: 'quarantine',
      description: 'Puts dead letters where people can list, redrive and discard them',
      memoryMb: 256,
      timeout: QUARANTINE_TIMEOUT,
      access: [postgres.as('iot_quarantine')],
    })

    const telemetry = new QueueConsumer(this, 'TelemetryQueue', {
      settings,
      title: 'Telemetry',
      retention: LONGEST_RETENTION,
      timeout: Duration.seconds(30),
      maxReceiveCount: NEVER_GIVE_UP,
      maxAge: Duration.minutes(5),
      batching: settings.ingest,
      maxConcurrency: maxConcurrency.telemetry,
      quarantine: { handler: quarantine, variable: 'TELEMETRY_DEAD_LETTERS_URL' },
    })
    const lateTelemetry = new QueueConsumer(this, 'LateTelemetryQueue', {
      settings,
      title: 'Late telemetry',
      retention: LONGEST_RETENTION,
      timeout: telemetry.timeout,
      maxReceiveCount: NEVER_GIVE_UP,
      maxAge: Duration.hours(6),
      batching: INGEST_PROFILES.bulk,
      maxConcurrency: maxConcurrency.lateTelemetry,
      deadLetters: telemetry.deadLetters,
    })
    // Two functions of one bundle: each knows the queue in which it hides what failed.
    for (const [name, consumer, what] of [
      ['Ingest', telemetry, 'readings'],
      ['LateIngest', lateTelemetry, 'readings that gateways have kept'],
    ] as const) {
      consumer.deliverTo(
        houseFunction(this, name, surroundings, {
          folder: 'ingest',
          description: `Stores ${what} exactly once and announces them`,
          memoryMb: 1024,
          timeout: consumer.timeout,
          access: [...stores, consumer.handling, deliveries.sending('ALARM_QUEUE_URL')],
          environment: { HOT_RETENTION_DAYS: String(settings.hotRetentionDays) },
        }),
      )
    }

    alarm(this, 'PartitionAlarm', settings, {
      heading: 'Telemetry: a day had no partition',
      description: 'Ingest had to make the partition of a day by itself, or could not.',
      metric: houseMetric(settings, 'PartitionMissing', 'sum', Duration.minutes(1)),
      atLeast: 1,
    })

    const status = new QueueConsumer(this, 'StatusQueue', {
      settings,
      title: 'Gateway status',
      retention: LONGEST_RETENTION,
      timeout: Duration.seconds(15),
      maxReceiveCount: NEVER_GIVE_UP,
      maxAge: Duration.minutes(1),
      batching: { batchSize: 10 },
      maxConcurrency: maxConcurrency.status,
      quarantine: { handler: quarantine, variable: 'STATUS_DEAD_LETTERS_URL' },
    })
    status.deliverTo(
      houseFunction(this, 'Status', surroundings, {
        folder: 'status',
        description: 'Keeps which gateways are online, and how they are',
        memoryMb: 512,
        timeout: status.timeout,
        access: [...stores, status.handling],
      }),
    )

    const sweep = houseFunction(this, 'PresenceSweep', surroundings, {
      folder: 'presence-sweep',
      description: 'Marks gateways whose heartbeats are missing',
      memoryMb: 256,
      timeout: Duration.seconds(30),
      access: [...stores, status.peeking('STATUS_QUEUE_URL')],
    })
    new Rule(this, 'PresenceSweepSchedule', {
      description: 'A gateway that falls silent is seen within a minute and a half',
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: [new Invoke(sweep)],
    })
    alarm(this, 'PipelineBehindAlarm', settings, {
      heading: 'Gateway status: the pipeline is behind',
      description: 'For five minutes heartbeats have been missing, and the cause is not the gateways.',
      metric: houseMetric(settings, 'StatusPipelineBehind', 'min', Duration.minutes(5)),
      atLeast: 1,
    })

    const alarmSweep = houseFunction(this, 'AlarmSweep', surroundings, {
      folder: 'alarm-sweep',
      description: 'Alarms of what does not come: silent machines, gateways that are offline, delays that end',
      memoryMb: 512,
      timeout: Duration.seconds(50), // below the schedule: one run at a time
      access: [...stores, deliveries.sending('ALARM_QUEUE_URL'), telemetry.peeking('TELEMETRY_QUEUE_URL')],
    })
    new Rule(this, 'AlarmSweepSchedule', {
      description: 'A machine that falls silent is seen within a minute of its rule’s time',
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: [new Invoke(alarmSweep)],
    })
    alarm(this, 'AlarmSweepAlarm', settings, {
      heading: 'Alarms: the sweep fails',
      description: 'Silent machines and gateways that are offline raise no alarms.',
      metric: alarmSweep.metricErrors({ period: Duration.minutes(5) }),
      atLeast: 3,
    })

    const ruleErrors = new Queue(this, 'RuleErrors', {
      ...SAFE_QUEUE,
      retentionPeriod: LONGEST_RETENTION,
      visibilityTimeout: QUARANTINE_VISIBILITY,
    })
    takeIntoQuarantine(ruleErrors, quarantine, {
      settings,
      queue: ruleErrors,
      variable: 'RULE_ERRORS_URL',
      title: 'IoT rules',
      refused: 'deliveries failed',
      description: 'A rule could not put a message on its queue.',
    })

    const redrive = houseFunction(this, 'Redrive', surroundings, {
      folder: 'redrive',
      functionName: `iot-telemetry-${settings.stage}-redrive`,
      description: 'Puts the dead letters that somebody has asked for back into their queues',
      memoryMb: 256,
      timeout: Duration.seconds(55), // below the schedule: one run at a time
      access: [
        postgres.as('iot_quarantine'),
        telemetry.sending('TELEMETRY_QUEUE_URL'),
        status.sending('STATUS_QUEUE_URL'),
      ],
    })
    new Rule(this, 'RedriveSchedule', {
      description: 'Begins and goes on with redrives',
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: [new Invoke(redrive)],
    })

    new TopicRule(this, 'TelemetryRule', {
      name: `iot_telemetry_${settings.stage}_telemetry`,
      description: 'Readings as they are taken, and whatever is none, to the telemetry queue',
      filter: TELEMETRY_FILTER,
      where: `NOT ${isOlderThan(LATE_FROM_MS + OVERLAP_MS)}`,
      queue: telemetry.queue,
      errors: ruleErrors,
    })
    new TopicRule(this, 'LateTelemetryRule', {
      name: `iot_telemetry_${settings.stage}_late_telemetry`,
      description: 'Readings that a gateway has kept, to a queue of their own',
      filter: TELEMETRY_FILTER,
      where: isOlderThan(LATE_FROM_MS),
      queue: lateTelemetry.queue,
      errors: ruleErrors,
    })
    new TopicRule(this, 'StatusRule', {
      name: `iot_telemetry_${settings.stage}_status`,
      description: 'Every heartbeat and will of every gateway, to the status queue',
      filter: STATUS_FILTER,
      queue: status.queue,
      errors: ruleErrors,
    })

    const urls = {
      TelemetryQueueUrl: telemetry.queue,
      TelemetryDeadLettersUrl: telemetry.deadLetters,
      LateTelemetryQueueUrl: lateTelemetry.queue,
      StatusQueueUrl: status.queue,
      StatusDeadLettersUrl: status.deadLetters,
      FanOutQueueUrl: this.fanOut.queue,
      FanOutDeadLettersUrl: this.fanOut.deadLetters,
      RuleErrorsUrl: ruleErrors,
    }
    for (const [name, queue] of Object.entries(urls)) new CfnOutput(this, name, { value: queue.queueUrl })
  }
}
