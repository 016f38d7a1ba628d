import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Assembly } from '../../../local/assembly/assembly.ts'
import { functionResources } from '../../../local/assembly/read-functions.ts'
import { checkDeployment } from '../../../local/iam/deployment-rights.ts'
import { isAllowed, readRoles } from '../../../local/iam/roles.ts'
import { synthesizeInto, type Template } from '../cdk/templates.ts'

const folder = mkdtempSync(join(tmpdir(), 'deployment-rights-'))
synthesizeInto(folder, { stage: 'prod', 'aws:cdk:bundling-stacks': [] })
afterAll(() => rmSync(folder, { recursive: true }))

const LOCAL = {
  queueUrl: (name: string) => `http://127.0.0.1:9324/000000000000/${name}`,
  database: { host: '127.0.0.1', port: 5432 },
  redis: { host: '127.0.0.1', port: 6379 },
  secret: () => '{"password":"none"}',
}

function check(): void {
  const assembly = Assembly.read(folder, LOCAL)
  checkDeployment(assembly, functionResources(assembly), readRoles(assembly))
}

interface Document {
  Statement: { Action: string | string[]; [element: string]: unknown }[]
}

/** What the tests break of a resource. */
interface Breakable {
  Policies?: { PolicyDocument: Document }[]
  PolicyDocument?: Document
  AssumeRolePolicyDocument: { Statement: { Principal: { Service: string } }[] }
  SourceArn: string
  NatGatewayId?: unknown
  FromPort: number
  ToPort: number
  Environment: unknown
  BatchSize: number
  VisibilityTimeout: number
}

/** Checks the templates with this change, and takes it back. `edit` gets each resource of the type; it says how many it broke. */
function checkWith(stack: string, type: string, edit: (properties: Breakable, id: string) => boolean): void {
  const file = join(folder, `${stack}.template.json`)
  const original = readFileSync(file, 'utf8')
  const template = JSON.parse(original) as Template
  const broken = Object.entries(template.Resources).filter(
    ([id, resource]) => resource.Type === type && edit((resource.Properties ?? {}) as unknown as Breakable, id),
  )
  if (broken.length === 0) throw new Error(`${stack} has no ${type} that the test could break`)
  writeFileSync(file, JSON.stringify(template))
  try {
    check()
  } finally {
    writeFileSync(file, original)
  }
}

const isFirst = () => {
  let first = true
  return () => first && !(first = false)
}

describe('a deployment', () => {
  it('of the templates as they are has nothing that AWS would refuse', () => expect(check).not.toThrow())

  const withoutAction = (action: string) => (properties: Breakable, id: string) => {
    if (!id.startsWith('IngestRole')) return false
    const documents = [...(properties.Policies ?? []), properties].map((one) => one.PolicyDocument)
    for (const statement of documents.flatMap((document) => document?.Statement ?? []))
      statement.Action = [statement.Action].flat().filter((name) => name !== action)
    return true
  }
  it.each([
    ['AWS::IAM::Role', 'logs:PutLogEvents'],
    ['AWS::IAM::Role', 'ec2:CreateNetworkInterface'],
    ['AWS::IAM::Role', 'rds-db:connect'],
    ['AWS::IAM::Role', 'secretsmanager:GetSecretValue'],
    ['AWS::IAM::Policy', 'sqs:ReceiveMessage'],
  ])('is refused when a %s lacks %s, which a service uses in its name', (type, action) => {
    expect(() => checkWith('Ingest', type, withoutAction(action))).toThrow(
      new RegExp(`IngestRole\\w+ may not ${action} on`),
    )
  })

  it('is refused when a role may be assumed by another service only', () => {
    const trust = (properties: Breakable, id: string) => {
      if (!id.startsWith('TelemetryRuleRole')) return false
      properties.AssumeRolePolicyDocument.Statement[0]!.Principal.Service = 'ec2.amazonaws.com'
      return true
    }
    expect(() => checkWith('Ingest', 'AWS::IAM::Role', trust)).toThrow('cannot be assumed by iot.amazonaws.com')
  })

  it.each([
    ['Api', 'apigateway.amazonaws.com'],
    ['Live', 'apigateway.amazonaws.com'],
    ['Data', 'events.amazonaws.com'],
  ])('is refused when a service may not invoke a function of %s', (stack, service) => {
    const first = isFirst()
    const elsewhere = (properties: Breakable) => {
      if (!first()) return false
      properties.SourceArn = 'arn:aws:s3:::another'
      return true
    }
    expect(() => checkWith(stack, 'AWS::Lambda::Permission', elsewhere)).toThrow(`${service} may not invoke`)
  })

  it('is refused when a function cannot leave its subnets', () => {
    const noNat = (properties: Breakable) => delete properties.NatGatewayId
    expect(() => checkWith('Network', 'AWS::EC2::Route', noNat)).toThrow(/Function Api\w+ cannot reach HTTPS outside/)
  })

  it('is refused when Postgres and Redis let no function in', () => {
    const closed = (properties: Breakable) => Boolean((properties.FromPort = properties.ToPort = 1))
    const check = () => checkWith('Data', 'AWS::EC2::SecurityGroupIngress', closed)
    expect(check).toThrow(/Function Ingest\w+ cannot reach Postgres/)
    expect(check).toThrow(/Function FanOut\w+ cannot reach Redis/)
  })

  it('is refused when an environment has more than 4 KB', () => {
    const large = (properties: Breakable) => {
      properties.Environment = { Variables: { LARGE: 'x'.repeat(4100) } }
      return true
    }
    expect(() => checkWith('Api', 'AWS::Lambda::Function', large)).toThrow('Lambda takes 4096')
  })

  it('is refused when a batch of more than 10 has no window, or a message is hidden for less than the function may take', () => {
    const batch = (properties: Breakable) => Boolean((properties.BatchSize = 1000))
    expect(() => checkWith('Ingest', 'AWS::Lambda::EventSourceMapping', batch)).toThrow('needs a batching window')
    const hidden = (properties: Breakable) => Boolean((properties.VisibilityTimeout = 1))
    expect(() => checkWith('Ingest', 'AWS::SQS::Queue', hidden)).toThrow('hides a message for 1 s')
  })

  it('is refused when a statement has an element that is not evaluated here', () => {
    const conditional = (properties: Breakable) => {
      properties.Policies?.[0]?.PolicyDocument.Statement.push({
        ...{ Effect: 'Allow', Action: 'sqs:*', Resource: '*', Condition: { Bool: { 'aws:SecureTransport': 'true' } } },
      })
      return true
    }
    expect(() => checkWith('Ingest', 'AWS::IAM::Role', conditional)).toThrow(/Condition/)
  })
})

describe('a role', () => {
  const allow = (actions: string[], resources: string[]) => ({ effect: 'Allow' as const, actions, resources })
  const queue = 'arn:aws:sqs:us-east-1:000000000000:telemetry'

  it('may do what a statement allows, wildcards included, and nothing else', () => {
    const role = { statements: [allow(['sqs:Send*'], ['arn:aws:sqs:*:*:tele?etry'])] }
    expect(isAllowed(role, 'sqs:SendMessage', queue)).toBe(true)
    expect(isAllowed(role, 'sqs:ReceiveMessage', queue)).toBe(false)
    expect(isAllowed(role, 'sqs:SendMessage', `${queue}-2`)).toBe(false)
  })

  it('may not do what one statement allows and another denies', () => {
    const role = {
      statements: [allow(['sqs:SendMessage'], ['*']), { ...allow(['sqs:*'], [queue]), effect: 'Deny' as const }],
    }
    expect(isAllowed(role, 'sqs:SendMessage', queue)).toBe(false)
    expect(isAllowed(role, 'sqs:SendMessage', `${queue}-2`)).toBe(true)
  })

  it('is not granted an action on one resource for a call that names none', () => {
    expect(
      isAllowed({ statements: [allow(['iot:ListThings'], ['arn:aws:iot:*:*:thing/*'])] }, 'iot:ListThings', '*'),
    ).toBe(false)
  })
})
