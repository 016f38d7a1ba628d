import { Duration, Stack, type StackProps } from 'aws-cdk-lib'
import { Rule, Schedule } from 'aws-cdk-lib/aws-events'
import { LambdaFunction as Invoke } from 'aws-cdk-lib/aws-events-targets'
import { Trigger } from 'aws-cdk-lib/triggers'
import type { Construct } from 'constructs'
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

    const ownsTables = {
      access: [this.postgres.asMaster],
      environment: { HOT_RETENTION_DAYS: String(surroundings.settings.hotRetentionDays) },
    }
    const migrate = houseFunction(this, 'Migrate', surroundings, {
      folder: 'migrate',
      description: 'Brings the schema up to date, at each deployment',
      memoryMb: 512,
      timeout: Duration.minutes(10),
      ...ownsTables,
    })
    // A deployment fails here when a migration does; the stacks that use the schema wait for this one.
    new Trigger(this, 'MigrateAtDeploy', {
      handler: migrate,
      executeAfter: [this.postgres],
      timeout: Duration.minutes(10),
    })

    const partitions = houseFunction(this, 'Partitions', surroundings, {
      folder: 'partitions',
      description: 'Creates the day partitions ahead',
      memoryMb: 256,
      timeout: Duration.minutes(2),
      ...ownsTables,
    })
    new Rule(this, 'PartitionsSchedule', {
      description: 'Day partitions are created a week ahead: many runs may fail before one is missed',
      schedule: Schedule.rate(Duration.hours(6)),
      targets: [new Invoke(partitions)],
    })
  }
}
