import { Aws, DefaultStackSynthesizer, RemovalPolicy, Stack } from 'aws-cdk-lib'
import type { IDistribution } from 'aws-cdk-lib/aws-cloudfront'
import { type IRole, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import type { IBucket } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import { writeTo, type Surroundings } from './lambda.ts'

/**
 * Role and log group of the library's function that copies the site into its bucket. The library would grant it
 * `s3:GetObject*`, `s3:List*` and invalidations of every distribution; here it gets the actions that it uses, on what it
 * uses them on, and the library's own grants are dropped.
 */
export class SiteDeployment extends Construct {
  readonly role: IRole
  readonly logGroup: LogGroup

  constructor(
    scope: Construct,
    id: string,
    { settings, logKey }: Pick<Surroundings, 'settings' | 'logKey'>,
    bucket: IBucket,
    distribution: IDistribution,
  ) {
    super(scope, id)
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: settings.logRetention,
      removalPolicy: settings.production ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      ...(logKey && { encryptionKey: logKey }),
    })
    const role = new Role(this, 'Role', {
      description: 'Copies the site from the CDK assets to its bucket',
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      inlinePolicies: {
        deploy: new PolicyDocument({
          statements: [
            writeTo(this.logGroup),
            new PolicyStatement({ actions: ['s3:GetObject'], resources: [`${assetBucketArn(this)}/*`] }),
            new PolicyStatement({ actions: ['s3:ListBucket'], resources: [bucket.bucketArn] }),
            new PolicyStatement({
              actions: ['s3:GetObject', 's3:PutObject'],
              resources: [bucket.arnForObjects('*')],
            }),
            new PolicyStatement({
              actions: ['cloudfront:CreateInvalidation', 'cloudfront:GetInvalidation'],
              resources: [distribution.distributionArn],
            }),
          ],
        }),
      },
    })
    this.role = role.withoutPolicyUpdates()
  }
}

/** Where `cdk deploy` uploads assets, as made by `cdk bootstrap`. */
function assetBucketArn(scope: Construct): string {
  const qualifier = Stack.of(scope).synthesizer.bootstrapQualifier ?? DefaultStackSynthesizer.DEFAULT_QUALIFIER
  return `arn:${Aws.PARTITION}:s3:::cdk-${qualifier}-assets-${Aws.ACCOUNT_ID}-${Aws.REGION}`
}
