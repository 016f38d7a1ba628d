import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { Bucket } from 'aws-cdk-lib/aws-s3'
import type { Construct } from 'constructs'
import { type Access, houseFunction, type Surroundings } from '../constructs/lambda.ts'
import { QueueConsumer } from '../constructs/queue-consumer.ts'
import { SAFE_BUCKET } from '../constructs/safe-bucket.ts'
import type { ArchiveStack } from './archive.ts'
import type { DataStack } from './data.ts'

/** Files that people have asked for: their bucket, from which they go by themselves, and the worker that makes them. */
export class ExportsStack extends Stack {
  readonly #files: Bucket
  readonly #work: QueueConsumer

  constructor(
    scope: Construct,
    id: string,
    props: StackProps,
    surroundings: Surroundings,
    { postgres }: DataStack,
    archive: ArchiveStack,
  ) {
    super(scope, id, props)
    const { settings } = surroundings
    this.#files = new Bucket(this, 'Files', {
      ...SAFE_BUCKET,
      // Copies of what is stored elsewhere.
      removalPolicy: settings.production ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      // As long as lambdas/data/exports.ts says that they are there.
      lifecycleRules: [
        { prefix: 'exports/', expiration: Duration.days(3), abortIncompleteMultipartUploadAfter: Duration.days(1) },
      ],
    })
    this.#work = new QueueConsumer(this, 'ExportQueue', {
      settings,
      title: 'Exports',
      retention: Duration.days(1),
      timeout: Duration.minutes(15),
      maxReceiveCount: 8,
      maxAge: Duration.minutes(30),
      // A file may take all of the time.
      batching: { batchSize: 1 },
      maxConcurrency: settings.maxConcurrency.exports,
    })
    this.#work.deliverTo(
      houseFunction(this, 'Exports', surroundings, {
        folder: 'exports',
        description: 'Makes the files that people ask for',
        memoryMb: 1769, // one whole processor
        timeout: this.#work.timeout,
        access: [
          postgres.as('iot_exports'),
          archive.reading,
          {
            environment: { EXPORT_QUEUE_URL: this.#work.queue.queueUrl, ...this.#place },
            statements: [this.#may('s3:PutObject')],
          },
        ],
      }),
    )
    new CfnOutput(this, 'ExportsBucketName', { value: this.#files.bucketName })
  }

  /** To ask for a file, and to hand it out. */
  get asking(): Access {
    const { environment, statements = [] } = this.#work.sending('EXPORT_QUEUE_URL')
    return { environment: { ...environment, ...this.#place }, statements: [...statements, this.#may('s3:GetObject')] }
  }

  /** To remove a company's files. */
  get removing(): Access {
    const list = new PolicyStatement({ actions: ['s3:ListBucket'], resources: [this.#files.bucketArn] })
    return { environment: this.#place, statements: [list, this.#may('s3:DeleteObject')] }
  }

  get #place() {
    return { EXPORTS_BUCKET: this.#files.bucketName }
  }

  #may(action: string): PolicyStatement {
    return new PolicyStatement({ actions: [action], resources: [this.#files.arnForObjects('exports/*')] })
  }
}
