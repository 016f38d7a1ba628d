import { Stack } from 'aws-cdk-lib'
import { AccountPrincipal, PolicyDocument, PolicyStatement, Role } from 'aws-cdk-lib/aws-iam'
import type { IBucket } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import type { Settings } from '../settings.ts'
import type { ArchiveTable } from './archive-table.ts'

export interface ArchiveAnalystProps {
  /** Slug. */
  tenant: string
  /** Id of the AWS account whose administrators say who there may take the role. */
  account: string
  table: ArchiveTable
  archive: IBucket
  results: IBucket
}

/**
 * A role with which a company's analyst asks the archive by SQL, or reads its files: those of this company only. Its work
 * group is its own, as whoever may see one sees the queries and the results of all who use it.
 */
export class ArchiveAnalyst extends Construct {
  readonly role: Role

  constructor(scope: Construct, id: string, { stage }: Settings, props: ArchiveAnalystProps) {
    super(scope, id)
    const { tenant, account, table, archive, results } = props
    const workGroup = `iot-telemetry-${stage}-${tenant}`
    table.workGroup(`WorkGroup-${tenant}`, workGroup, tenant)
    const readings = `readings/tenant=${tenant}/`
    const answers = `athena/${tenant}/`
    const list = (bucket: IBucket, prefix: string) =>
      new PolicyStatement({
        actions: ['s3:ListBucket'],
        resources: [bucket.bucketArn],
        conditions: { StringLike: { 's3:prefix': `${prefix}*` } },
      })
    this.role = new Role(this, 'Role', {
      roleName: `iot-telemetry-${stage}-analyst-${tenant}`,
      description: `Reads what the archive has of ${tenant}`,
      assumedBy: new AccountPrincipal(account),
      inlinePolicies: {
        archive: new PolicyDocument({
          statements: [
            list(archive, readings),
            list(results, answers),
            new PolicyStatement({ actions: ['s3:GetObject'], resources: [archive.arnForObjects(`${readings}*`)] }),
            new PolicyStatement({
              actions: ['s3:GetObject', 's3:PutObject', 's3:AbortMultipartUpload'],
              resources: [results.arnForObjects(`${answers}*`)],
            }),
            new PolicyStatement({
              actions: ['s3:GetBucketLocation'],
              resources: [archive.bucketArn, results.bucketArn],
            }),
            new PolicyStatement({
              actions: [
                'athena:GetQueryExecution',
                'athena:GetQueryResults',
                'athena:GetWorkGroup',
                'athena:ListQueryExecutions',
                'athena:StartQueryExecution',
                'athena:StopQueryExecution',
              ],
              resources: [
                Stack.of(this).formatArn({ service: 'athena', resource: 'workgroup', resourceName: workGroup }),
              ],
            }),
            new PolicyStatement({
              actions: ['glue:GetDatabase', 'glue:GetTable', 'glue:GetPartition', 'glue:GetPartitions'],
              resources: table.catalogArns,
            }),
          ],
        }),
      },
    })
  }
}
