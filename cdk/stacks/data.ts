import { Duration, Stack, type StackProps } from 'aws-cdk-lib'
import { Rule, Schedule } from 'aws-cdk-lib/aws-events'
import { LambdaFunction as Invoke } from 'aws-cdk-lib/aws-events-targets'
import { Trigger } from 'aws-cdk-lib/triggers'
import type { Construct } from 'constructs'
import { alarm, houseMetric } from '../constructs/alarm.ts'
import { houseFunction, type Surroundings } from '../constructs/lambda.ts'
import { Postgres } from '../constructs/postgres.ts'
import { Redis } from '../constructs/redis.ts'

/** Postgres, which is the truth, Redis, which is the present, and the functions that keep the schema. */
export class DataStack extends Stack {
  readonly postgres: Postgres
  readonly redis: Redis

  constructor(scope: Construct, id: string, props: StackProps, surroundings: Surroundings) {
    super(scope, id, props)
    this.postgres = new Postgres(this, 'Postgres', surroundings)
    this.redis = new Redis(this, 'Redis', surroundings)

    const { settings } = surroundings
    // RDS makes it larger at 10 %, up to its most: below this it no longer does, or not soon enough.
    alarm(this, 'StorageAlarm', settings, {
      heading: 'Database: storage runs out',
      description: 'Less than 5 % of the storage that the instance began with is free.',
      metric: this.postgres.freeStorage(Duration.minutes(5)),
      below: settings.database.storageGb * 1e9 * 0.05,
      periods: 3,
    })
    const hotRetention = { HOT_RETENTION_DAYS: String(settings.hotRetentionDays) }
    const migrate = houseFunction(this, 'Migrate', surroundings, {
      folder: 'migrate',
      description: 'Brings the schema up to date, at each deployment',
      memoryMb: 512,
      timeout: Duration.minutes(10),
      access: [this.postgres.asMaster],
      environment: hotRetention,
    })
    // A deployment fails here when a migration does; the stacks that use the schema wait for this one.
    new Trigger(this, 'MigrateAtDeploy', {
      handler: migrate,
      executeAfter: [this.postgres],
      timeout: Duration.minutes(10),
    })

    const partitions = houseFunction(this, 'Partitions', surroundings, {
      folder: 'partitions',
      description: 'Creates the day partitions ahead, drops what is older than its retention',
      memoryMb: 256,
      timeout: Duration.minutes(2),
      access: [this.postgres.asMaster],
      environment: { ...hotRetention, HISTORY_RETENTION_DAYS: String(settings.historyRetentionDays) },
    })
    new Rule(this, 'PartitionsSchedule', {
      description: 'Day partitions are created a week ahead: many runs may fail before one is missed',
      schedule: Schedule.rate(Duration.hours(6)),
      targets: [new Invoke(partitions)],
    })
    alarm(this, 'PartitionsAlarm', settings, {
      heading: 'Partitions: a run failed',
      description: 'Day partitions could not be made ahead, or old ones not be dropped.',
      metric: partitions.metricErrors({ period: Duration.hours(1) }),
      atLeast: 1,
    })

    const rollup = houseFunction(this, 'Rollup', surroundings, {
      folder: 'rollup',
      description: 'Rolls up the hours that are over, and those that late data has changed',
      memoryMb: 1024,
      timeout: Duration.minutes(1),
      access: [this.postgres.as('iot_rollup')],
    })
    new Rule(this, 'RollupSchedule', {
      description: 'History is up to date within a minute or two of an hour, and of late data',
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: [new Invoke(rollup)],
    })
    alarm(this, 'RollupFailsAlarm', settings, {
      heading: 'History: Rollup fails',
      description: 'Five runs of Rollup within 15 minutes failed or could not start.',
      metric: rollup.metricErrors({ period: Duration.minutes(15) }),
      atLeast: 5,
    })
    alarm(this, 'RollupAlarm', settings, {
      heading: 'History: hours wait to be rolled up',
      description: 'In half an hour no run of Rollup began with an empty queue.',
      metric: houseMetric(settings, 'RollupHoursWaiting', 'min', Duration.minutes(30)),
      atLeast: 1,
    })
  }
}
