import { describe, expect, it } from 'vitest'
import { houseFunctions, resource, resources, synthesize } from './templates.ts'

interface Statement {
  Effect: string
  Action: string | string[]
  Resource: unknown
}
interface PolicyProperties {
  PolicyDocument: { Statement: Statement[] }
}
interface RoleProperties {
  Policies?: PolicyProperties[]
  ManagedPolicyArns?: unknown[]
}

const actionsOf = ({ Action }: Statement) => [Action].flat()

describe.each(['dev', 'prod'])('security of %s', (stage) => {
  const templates = synthesize({ stage })
  const production = stage === 'prod'
  const statements = [
    ...resources<RoleProperties>(templates, 'AWS::IAM::Role').flatMap(({ id, properties }) =>
      (properties.Policies ?? []).flatMap(({ PolicyDocument }) =>
        PolicyDocument.Statement.map((statement) => ({ id, statement })),
      ),
    ),
    ...['AWS::IAM::Policy', 'AWS::IAM::ManagedPolicy'].flatMap((type) =>
      resources<PolicyProperties>(templates, type).flatMap(({ id, properties }) =>
        properties.PolicyDocument.Statement.map((statement) => ({ id, statement })),
      ),
    ),
  ]

  it("has no wildcard in any role's actions, those of the library's own functions included", () => {
    const wild = statements.filter(({ statement }) => actionsOf(statement).some((action) => action.includes('*')))
    expect(wild).toEqual([])
    expect(statements.length).toBeGreaterThan(30)
  })

  it('grants on every resource only what AWS cannot narrow', () => {
    const everywhere = statements
      .filter(({ statement }) => statement.Resource === '*')
      .flatMap(({ statement }) => actionsOf(statement))
    expect([...new Set(everywhere)].toSorted()).toEqual([
      'ec2:AssignPrivateIpAddresses',
      'ec2:CreateNetworkInterface',
      'ec2:DeleteNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSubnets',
      'ec2:UnassignPrivateIpAddresses',
      'iot:AttachThingPrincipal',
      'iot:CreateCertificateFromCsr',
      'iot:DescribeEndpoint',
      'iot:DetachThingPrincipal',
      'iot:ListCertificates',
      'iot:ListPolicies',
      'iot:ListThings',
    ])
  })

  it('attaches managed policies to no role but that of the migration trigger, which is the library’s own', () => {
    const managed = resources<RoleProperties>(templates, 'AWS::IAM::Role').filter(
      ({ properties }) => properties.ManagedPolicyArns !== undefined,
    )
    expect(managed.map(({ id }) => id)).toEqual([expect.stringMatching(/^AWSCDKTriggerCustomResourceProvider/)])
    expect(JSON.stringify(managed)).toContain('service-role/AWSLambdaBasicExecutionRole')
  })

  it('lets each function connect to Postgres as its own role only', () => {
    const connects = (name: string) =>
      JSON.stringify(statements.filter(({ id }) => id.startsWith(`${name}Role`))).match(/\/iot_[a-z]+/g)
    expect(connects('Ingest')).toEqual(['/iot_ingest'])
    expect(connects('LateIngest')).toEqual(['/iot_ingest'])
    expect(connects('Status')).toEqual(['/iot_ingest'])
    expect(connects('PresenceSweep')).toEqual(['/iot_ingest'])
    expect(connects('Quarantine')).toEqual(['/iot_quarantine'])
    expect(connects('Redrive')).toEqual(['/iot_quarantine'])
    expect(connects('LiveSocket')).toEqual(['/iot_api'])
    expect(connects('Api')).toEqual(['/iot_api'])
    expect(connects('Admin')).toEqual(['/iot_admin'])
    expect(connects('Rollup')).toEqual(['/iot_rollup'])
    expect(connects('FanOut')).toBeNull()
    expect(connects('Authorizer')).toBeNull()
  })

  it('lets a redrive send to the queues that it is for, and the quarantine nowhere', () => {
    const targets = (name: string) =>
      JSON.stringify(
        statements.filter(
          ({ id, statement }) => id.startsWith(`${name}Role`) && actionsOf(statement).includes('sqs:SendMessage'),
        ),
      ).match(/(?<="Fn::GetAtt":\[")\w+(?=[0-9A-F]{8}",)/g)
    expect(targets('Redrive')).toEqual(['StatusQueue', 'TelemetryQueue'])
    expect(targets('Quarantine')).toBeNull()
  })

  it('lets nothing but functions with that access reach Postgres and Redis', () => {
    const ingress = resources<{ SourceSecurityGroupId: { 'Fn::GetAtt': [string, string] }; FromPort: number }>(
      templates,
      'AWS::EC2::SecurityGroupIngress',
    ).map(({ properties }) => [properties.FromPort, properties.SourceSecurityGroupId['Fn::GetAtt'][0].slice(0, -8)])
    expect(ingress.toSorted()).toEqual([
      [5432, 'PostgresClients'],
      [6379, 'RedisClients'],
    ])
    const groups = resources<{ SecurityGroupIngress?: unknown }>(templates, 'AWS::EC2::SecurityGroup')
    expect(groups.filter(({ properties }) => properties.SecurityGroupIngress !== undefined)).toEqual([])

    const reaching = (what: string) =>
      Object.entries(houseFunctions(templates))
        .filter(([, { properties }]) => JSON.stringify(properties.VpcConfig ?? {}).includes(`${what}Clients`))
        .map(([name]) => name)
    expect(reaching('Postgres').toSorted()).toEqual([
      'Admin',
      'AlarmDelivery',
      'AlarmSweep',
      'Api',
      'Archive',
      'Exports',
      'Ingest',
      'LateIngest',
      'LiveSocket',
      'Migrate',
      'Partitions',
      'PresenceSweep',
      'Quarantine',
      'ReconcileGateways',
      'Redrive',
      'Rollup',
      'Status',
    ])
    expect(reaching('Redis').toSorted()).toEqual([
      'Admin',
      'AlarmSweep',
      'Api',
      'FanOut',
      'Ingest',
      'LateIngest',
      'LiveSocket',
      'PresenceSweep',
      'Status',
    ])
  })

  it('lets the sweep look at what waits for Status, and take nothing', () => {
    const onQueues = statements
      .filter(({ id }) => id.startsWith('PresenceSweepRole'))
      .filter(({ statement }) => actionsOf(statement).some((action) => action.startsWith('sqs:')))
      .map(({ statement }) => [
        actionsOf(statement),
        JSON.stringify(statement.Resource).match(/"(\w+)[0-9A-F]{8}"/)?.[1],
      ])
    expect(onQueues.toSorted()).toEqual([
      [['sqs:ReceiveMessage'], 'StatusQueue'],
      [['sqs:SendMessage'], 'FanOutQueue'],
    ])
  })

  it('encrypts Postgres, and keeps it out of the reach of accidents in production', () => {
    const database = resource(templates, 'AWS::RDS::DBInstance')
    expect(database.properties).toMatchObject({
      EngineVersion: expect.stringMatching(/^16\.1[1-9]$/) as string,
      StorageEncrypted: true,
      PubliclyAccessible: false,
      EnableIAMDatabaseAuthentication: true,
      DeletionProtection: production,
      MultiAZ: production,
    })
    expect(database.deletionPolicy).toBe(production ? 'Snapshot' : 'Delete')
  })

  it('encrypts Redis at rest and in transit, behind a token that ElastiCache accepts', () => {
    expect(resource(templates, 'AWS::ElastiCache::ReplicationGroup').properties).toMatchObject({
      EngineVersion: '7.1',
      AtRestEncryptionEnabled: true,
      TransitEncryptionEnabled: true,
      MultiAZEnabled: production,
      AutomaticFailoverEnabled: production,
    })
    // 16 to 128 printable characters, none of them / " or @.
    const token = resource(templates, 'AWS::SecretsManager::Secret', 'RedisAuthToken')
    expect(token.properties).toMatchObject({ GenerateSecretString: { PasswordLength: 64, ExcludePunctuation: true } })
  })

  it('encrypts logs with a key of its own in production, and lets every log expire', () => {
    const groups = resources<{ KmsKeyId?: unknown; RetentionInDays?: number }>(templates, 'AWS::Logs::LogGroup')
    expect(groups.length).toBeGreaterThanOrEqual(11)
    for (const { id, properties, deletionPolicy } of groups) {
      expect(properties.KmsKeyId !== undefined, id).toBe(production)
      expect(properties.RetentionInDays, id).toBeGreaterThan(0)
      expect(deletionPolicy, id).toMatch(production ? /^Retain/ : /^Delete$/)
    }
  })

  it('lets alarms publish to their topic, whose policy has taken the place of SNS’s own', () => {
    const policy = resource<PolicyProperties & { Topics: unknown[] }>(templates, 'AWS::SNS::TopicPolicy').properties
    expect(policy.Topics).toEqual([{ Ref: resource(templates, 'AWS::SNS::Topic').id }])
    expect(policy.PolicyDocument.Statement.filter(({ Effect }) => Effect === 'Allow')).toMatchObject([
      {
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Action: 'sns:Publish',
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
      },
    ])
  })

  it('carries no password and no emulator', () => {
    expect(JSON.stringify(templates)).not.toMatch(/FIREBASE_AUTH_EMULATOR_HOST|PGPASSWORD|LOCAL_ROLE_PASSWORD/)
  })

  it('posts only to the connections of its own socket', () => {
    const posting = statements.filter(({ statement }) => actionsOf(statement).includes('execute-api:ManageConnections'))
    expect(posting.map(({ id }) => id.slice(0, -8)).toSorted()).toEqual([
      'AdminRole',
      'ApiRole',
      'FanOutRole',
      'LiveSocketRole',
    ])
    for (const { statement } of posting) {
      expect(JSON.stringify(statement.Resource)).toMatch(
        /\{"Ref":"Socket[0-9A-F]{8}"\}|-live:ExportsOutputRefSocket[0-9A-F]{16}"\}/,
      )
      expect(JSON.stringify(statement.Resource)).toContain('/live/*/@connections/*')
    }
  })
})
