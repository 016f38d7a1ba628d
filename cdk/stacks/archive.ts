import { CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib'
import { Rule, Schedule } from 'aws-cdk-lib/aws-events'
import { LambdaFunction as Invoke } from 'aws-cdk-lib/aws-events-targets'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { Bucket, StorageClass } from 'aws-cdk-lib/aws-s3'
import type { Construct } from 'constructs'
import { alarm, houseMetric } from '../constructs/alarm.ts'
import { ArchiveAnalyst } from '../constructs/archive-analyst.ts'
import { ArchiveTable } from '../constructs/archive-table.ts'
import { type Access, houseFunction, type Surroundings } from '../constructs/lambda.ts'
import { SAFE_BUCKET } from '../constructs/safe-bucket.ts'
import type { DataStack } from './data.ts'

/** Parts of an upload whose writer died. */
const ABORT_UPLOADS = { abortIncompleteMultipartUploadAfter: Duration.days(1) }

/**
 * Readings for ever, as Parquet in S3, and the table through which SQL asks them. Objects are written once, under names
 * that never come again, so there are no versions: what a deleted company had is gone.
 */
export class ArchiveStack extends Stack {
  readonly #archive: Bucket

  constructor(scope: Construct, id: string, props: StackProps, surroundings: Surroundings, { postgres }: DataStack) {
    super(scope, id, props)
    const { settings } = surroundings
    this.#archive = new Bucket(this, 'Readings', {
      ...SAFE_BUCKET,
      lifecycleRules: [
        {
          ...ABORT_UPLOADS,
          prefix: 'readings/',
          transitions: [
            // Both answer at once, as Athena needs it; whoever asks old days pays more for each question.
            { storageClass: StorageClass.INFREQUENT_ACCESS, transitionAfter: Duration.days(60) },
            { storageClass: StorageClass.GLACIER_INSTANT_RETRIEVAL, transitionAfter: Duration.days(365) },
          ],
        },
        // Days that are being compacted, which takes hours at most.
        { ...ABORT_UPLOADS, prefix: 'staging/', expiration: Duration.days(14) },
      ],
    })
    const results = new Bucket(this, 'Results', {
      ...SAFE_BUCKET,
      lifecycleRules: [{ ...ABORT_UPLOADS, prefix: 'athena/', expiration: Duration.days(30) }],
    })
    const table = new ArchiveTable(this, 'Table', settings, this.#archive, results)
    for (const [tenant, account] of Object.entries(settings.analysts))
      new ArchiveAnalyst(this, `Analyst-${tenant}`, settings, {
        tenant,
        account,
        table,
        archive: this.#archive,
        results,
      })

    const archive = houseFunction(this, 'Archive', surroundings, {
      folder: 'archive',
      description: 'Puts days that are over into the archive, and verifies them before they are dropped',
      memoryMb: 1769, // one whole processor
      timeout: Duration.minutes(15),
      access: [postgres.as('iot_archive'), this.#keeping],
      environment: { HOT_RETENTION_DAYS: String(settings.hotRetentionDays) },
    })
    new Rule(this, 'ArchiveSchedule', {
      description: 'A day is in the archive within an hour of its end; a large one takes several runs',
      schedule: Schedule.rate(Duration.minutes(15)),
      targets: [new Invoke(archive)],
    })
    alarm(this, 'ArchiveLateAlarm', settings, {
      heading: 'Archive: days are late',
      description:
        'Days that ended hours ago are not in the archive, or not verified: they are not dropped from Postgres.',
      metric: houseMetric(settings, 'ArchiveDaysLate', 'min', Duration.hours(1)),
      atLeast: 1,
      periods: 2,
    })
    alarm(this, 'ArchiveVerificationAlarm', settings, {
      heading: 'Archive: verification failed',
      description: 'A file is not what was written, or messages are missing from a day.',
      metric: houseMetric(settings, 'ArchiveVerificationFailed', 'sum', Duration.minutes(15)),
      atLeast: 1,
    })
    alarm(this, 'ArchiveFailsAlarm', settings, {
      heading: 'Archive: runs fail',
      description: 'For an hour each run has failed.',
      metric: archive.metricErrors({ period: Duration.minutes(15) }),
      atLeast: 1,
      periods: 4,
    })
    new CfnOutput(this, 'ArchiveBucketName', { value: this.#archive.bucketName })
  }

  /** To hand its files out, and to remove them. */
  get handingOut(): Access {
    return {
      environment: { ARCHIVE_BUCKET: this.#archive.bucketName },
      statements: [
        new PolicyStatement({ actions: ['s3:ListBucket'], resources: [this.#archive.bucketArn] }),
        new PolicyStatement({ actions: ['s3:GetObject'], resources: [this.#archive.arnForObjects('readings/*')] }),
        new PolicyStatement({
          actions: ['s3:DeleteObject'],
          resources: [this.#archive.arnForObjects('readings/*'), this.#archive.arnForObjects('staging/*')],
        }),
      ],
    }
  }

  /** To read its files, whose names the manifest tells. */
  get reading(): Access {
    return {
      environment: { ARCHIVE_BUCKET: this.#archive.bucketName },
      statements: [
        new PolicyStatement({ actions: ['s3:GetObject'], resources: [this.#archive.arnForObjects('readings/*')] }),
      ],
    }
  }

  get #keeping(): Access {
    return {
      environment: { ARCHIVE_BUCKET: this.#archive.bucketName },
      statements: [
        // Without it S3 would not say that an object is absent.
        new PolicyStatement({ actions: ['s3:ListBucket'], resources: [this.#archive.bucketArn] }),
        new PolicyStatement({
          actions: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
          resources: [this.#archive.arnForObjects('readings/*'), this.#archive.arnForObjects('staging/*')],
        }),
      ],
    }
  }
}
