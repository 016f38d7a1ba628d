import { Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import type { Construct } from 'constructs'
import { type Access, houseFunction, type Surroundings } from '../constructs/lambda.ts'
import { QueueConsumer } from '../constructs/queue-consumer.ts'
import type { DataStack } from './data.ts'

/** Whom alarms are told to: the queue of deliveries and the function that mails and calls webhooks. */
export class AlarmsStack extends Stack {
  /** Rows of the outbox, and the deliveries that they become. */
  readonly deliveries: QueueConsumer
  /** To seal the secrets of webhooks, and to open them. */
  readonly sealing: Access

  constructor(scope: Construct, id: string, props: StackProps, surroundings: Surroundings, { postgres }: DataStack) {
    super(scope, id, props)
    const { settings } = surroundings
    this.deliveries = new QueueConsumer(this, 'AlarmQueue', {
      settings,
      title: 'Alarm delivery',
      retention: Duration.days(1),
      timeout: Duration.seconds(30),
      // 2 s and twice as long each time: half an hour in all.
      maxReceiveCount: 10,
      maxAge: Duration.hours(1),
      batching: { batchSize: 5 },
      maxConcurrency: settings.maxConcurrency.alarms,
    })
    const key = new Secret(this, 'WebhookKey', {
      description: 'Seals the secrets of the webhooks of alarms in the database: without it they must be made anew',
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy: settings.production ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    })
    this.sealing = {
      environment: { WEBHOOK_KEY_SECRET_ARN: key.secretArn },
      statements: [new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [key.secretArn] })],
    }
    // By the verified identity of its domain.
    const identity = this.formatArn({
      service: 'ses',
      resource: 'identity',
      resourceName: settings.mailFrom.split('@')[1]!,
    })
    this.deliveries.deliverTo(
      houseFunction(this, 'AlarmDelivery', surroundings, {
        folder: 'alarm-delivery',
        description: 'Mails alarms and sends them to webhooks',
        memoryMb: 256,
        timeout: this.deliveries.timeout,
        access: [
          postgres.as('iot_alarms'),
          this.deliveries.sending('ALARM_QUEUE_URL'),
          this.sealing,
          { statements: [new PolicyStatement({ actions: ['ses:SendEmail'], resources: [identity] })] },
        ],
        environment: { MAIL_FROM: settings.mailFrom, PAGE_URL: settings.pageUrl ?? '' },
      }),
    )
  }
}
