import { describe, expect, it } from 'vitest'
import { wildcard } from '../../../local/iam/wildcard.ts'
import { SAMPLE_SCHEMA } from '../../../lambdas/parquet/sample-schema.ts'
import { resource, resources, synthesize } from './templates.ts'

interface Statement {
  Effect: 'Allow' | 'Deny'
  Action: string | string[]
  Resource: unknown
  Condition?: Record<string, Record<string, string>>
}
interface Role {
  RoleName: string
  AssumeRolePolicyDocument: unknown
  Policies: { PolicyDocument: { Statement: Statement[] } }[]
}

const templates = synthesize({ analysts: 'granix:111122223333,norpan:444455556666' })

/** A value as it will be, with the names of resources in the place of what AWS makes. */
function text(value: unknown): string {
  if (typeof value === 'string') return value
  const [[name, argument]] = Object.entries(value as Record<string, unknown>) as [[string, unknown]]
  if (name === 'Fn::Join') return (argument as [string, unknown[]])[1].map(text).join('')
  if (name === 'Fn::GetAtt') return `arn:aws:s3:::${(argument as string[])[0]!.slice(0, -8)}`
  const named: Record<string, string> = { 'AWS::Partition': 'aws', 'AWS::Region': 'here', 'AWS::AccountId': '0' }
  return named[String(argument)] ?? String(argument).slice(0, -8)
}

/** As IAM judges: a statement holds when action, resource and each condition fit, and what nothing allows is denied. */
function may(role: Role, action: string, on: string, context: Record<string, string> = {}): boolean {
  const fits = (pattern: string, value: string | undefined) => value !== undefined && wildcard(pattern).test(value)
  const holding = role.Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement).filter(
    ({ Action, Resource, Condition = {} }) =>
      [Action].flat().some((one) => fits(one, action)) &&
      [Resource].flat().some((one) => fits(text(one), on)) &&
      Object.entries(Condition).every(
        ([operator, keys]) =>
          operator === 'StringLike' && Object.entries(keys).every(([key, pattern]) => fits(pattern, context[key])),
      ),
  )
  return holding.some(({ Effect }) => Effect === 'Allow') && !holding.some(({ Effect }) => Effect === 'Deny')
}

describe('the buckets of the archive', () => {
  it('are private, encrypted, closed without TLS, and stay when the stack goes', () => {
    const buckets = resources(templates, 'AWS::S3::Bucket').filter(({ stack }) => stack === 'Archive')
    expect(buckets).toHaveLength(2)
    for (const { properties, deletionPolicy } of buckets) {
      expect(properties).toMatchObject({
        BucketEncryption: { ServerSideEncryptionConfiguration: [{}] },
        PublicAccessBlockConfiguration: {
          ...{ BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true },
        },
      })
      expect(properties).not.toHaveProperty('BucketName')
      expect(deletionPolicy).toBe('Retain')
    }
    const policies = resources(templates, 'AWS::S3::BucketPolicy').filter(({ stack }) => stack === 'Archive')
    expect(policies).toHaveLength(2)
    for (const { properties } of policies) {
      expect(JSON.stringify(properties)).toContain('"aws:SecureTransport":"false"')
      expect(JSON.stringify(properties)).not.toContain('"Effect":"Allow"')
    }
  })
})

describe('the table of Athena', () => {
  const { TableInput: table } = resource<{
    TableInput: {
      Parameters: Record<string, unknown>
      PartitionKeys: { Name: string }[]
      StorageDescriptor: { Columns: { Name: string; Type: string }[] }
    }
  }>(templates, 'AWS::Glue::Table').properties

  it('has the columns of the files, in types that mean the same', () => {
    const hive = ({ type, converted_type }: (typeof SAMPLE_SCHEMA)[0]) =>
      converted_type === 'UTF8'
        ? 'string'
        : converted_type === 'TIMESTAMP_MILLIS'
          ? 'timestamp'
          : { INT64: 'bigint', DOUBLE: 'double' }[String(type)]
    expect(table.StorageDescriptor.Columns.map(({ Name, Type }) => [Name, Type])).toEqual(
      SAMPLE_SCHEMA.slice(1).map((column) => [column.name, hive(column)]),
    )
  })

  it('finds a new day without anybody’s telling it', () => {
    expect(table.PartitionKeys.map(({ Name }) => Name)).toEqual(['tenant', 'date'])
    expect(table.Parameters).toMatchObject({
      'projection.enabled': 'true',
      'projection.tenant.type': 'injected',
      'projection.date.type': 'date',
    })
    expect(text(table.Parameters['storage.location.template'])).toBe(
      's3://Readings/readings/tenant=${tenant}/date=${date}/',
    )
  })
})

describe('a company’s analyst', () => {
  const role = resources<Role>(templates, 'AWS::IAM::Role').find(
    ({ properties }) => properties.RoleName === 'iot-telemetry-dev-analyst-granix',
  )!.properties
  const readings = 'arn:aws:s3:::Readings'

  it('reads what the archive has of the company, through S3 and through Athena', () => {
    expect(JSON.stringify(role.AssumeRolePolicyDocument)).toContain('111122223333')
    const file = 'readings/tenant=granix/date=2026-01-31/x.parquet'
    expect(may(role, 's3:GetObject', `${readings}/${file}`)).toBe(true)
    expect(may(role, 's3:ListBucket', readings, { 's3:prefix': 'readings/tenant=granix/date=2026-01-31/' })).toBe(true)
    expect(may(role, 's3:PutObject', 'arn:aws:s3:::Results/athena/granix/x.csv')).toBe(true)
    expect(may(role, 'glue:GetTable', 'arn:aws:glue:here:0:table/iot_telemetry_dev/samples')).toBe(true)
    const workGroup = 'arn:aws:athena:here:0:workgroup/iot-telemetry-dev-granix'
    expect(may(role, 'athena:StartQueryExecution', workGroup)).toBe(true)
    const { properties } = resources<{
      Name: string
      RecursiveDeleteOption?: boolean
      WorkGroupConfiguration: Record<string, unknown>
    }>(templates, 'AWS::Athena::WorkGroup').find(({ properties: { Name } }) => Name === 'iot-telemetry-dev-granix')!
    const { ResultConfiguration, EnforceWorkGroupConfiguration } = properties.WorkGroupConfiguration
    expect(EnforceWorkGroupConfiguration).toBe(true)
    // AWS deletes no work group that was ever used without it: it would be there when the company comes back.
    expect(properties.RecursiveDeleteOption).toBe(true)
    expect(text((ResultConfiguration as { OutputLocation: unknown }).OutputLocation)).toBe(
      's3://Results/athena/granix/',
    )
  })

  it('reads nothing of another one, and changes nothing', () => {
    for (const other of ['norpan', 'granix-2', 'g', '*']) {
      const file = `readings/tenant=${other}/date=2026-01-31/x.parquet`
      expect(may(role, 's3:GetObject', `${readings}/${file}`), other).toBe(false)
      expect(may(role, 's3:ListBucket', readings, { 's3:prefix': `readings/tenant=${other}/` }), other).toBe(false)
      expect(may(role, 's3:GetObject', `arn:aws:s3:::Results/athena/${other}/x.csv`), other).toBe(false)
      const workGroup = `arn:aws:athena:here:0:workgroup/iot-telemetry-dev-${other}`
      expect(may(role, 'athena:GetQueryResults', workGroup), other).toBe(false)
    }
    expect(may(role, 's3:ListBucket', readings)).toBe(false)
    expect(may(role, 's3:ListBucket', readings, { 's3:prefix': 'readings/' })).toBe(false)
    expect(may(role, 's3:PutObject', `${readings}/readings/tenant=granix/x.parquet`)).toBe(false)
    expect(may(role, 's3:DeleteObject', `${readings}/readings/tenant=granix/x.parquet`)).toBe(false)
    expect(may(role, 'athena:StartQueryExecution', 'arn:aws:athena:here:0:workgroup/iot-telemetry-dev')).toBe(false)
  })
})
