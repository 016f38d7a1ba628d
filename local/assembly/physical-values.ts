/** What `Ref` and `Fn::GetAtt` give for each resource type: its name, ARN or address in this cloud. */
import { createHash } from 'node:crypto'
import { arn, REGION, URL_SUFFIX } from '../aws-identity.ts'
import type { LocalValues, Stack } from './assembly.ts'
import { WITHOUT_LOCAL_EFFECT } from './without-local-effect.ts'

export interface ResourceView {
  stack: Stack
  logicalId: string
  type: string
  /** A property of it, resolved. */
  property: (name: string) => unknown
}

type Values = (resource: ResourceView, local: LocalValues) => { ref: unknown; attributes?: Record<string, unknown> }

/** The name that the template gives, else one made as CloudFormation does. */
export function physicalName({ stack, logicalId, property }: ResourceView, nameProperty: string): string {
  return (property(nameProperty) as string | undefined) ?? `${stack.name}-${logicalId}`
}

/** Ids that AWS draws at random: the same at each start here. */
const madeId = ({ stack, logicalId }: ResourceView) =>
  createHash('sha256').update(`${stack.name}/${logicalId}`).digest('hex').slice(0, 10)

const queueName = (resource: ResourceView) => {
  const name = physicalName(resource, 'QueueName')
  return resource.property('FifoQueue') && !name.endsWith('.fifo') ? `${name}.fifo` : name
}

const secretArn = (resource: ResourceView) => arn('secretsmanager', `secret:${physicalName(resource, 'Name')}`)

const VALUES: Record<string, Values> = {
  'AWS::SQS::Queue': (resource, { queueUrl }) => {
    const QueueName = queueName(resource)
    return {
      ref: queueUrl(QueueName),
      attributes: { Arn: arn('sqs', QueueName), QueueName, QueueUrl: queueUrl(QueueName) },
    }
  },
  'AWS::Lambda::Function': (resource) => {
    const name = physicalName(resource, 'FunctionName')
    return { ref: name, attributes: { Arn: arn('lambda', `function:${name}`) } }
  },
  'AWS::Lambda::Version': ({ property }) => ({
    ref: `${arn('lambda', `function:${String(property('FunctionName'))}`)}:1`,
  }),
  'AWS::Lambda::EventInvokeConfig': (resource) => ({ ref: madeId(resource) }),
  'AWS::Lambda::EventSourceMapping': (resource) => ({ ref: madeId(resource) }),
  'AWS::ApiGatewayV2::Api': (resource) => ({
    ref: madeId(resource),
    attributes: { ApiId: madeId(resource), ApiEndpoint: `https://${apiHost(madeId(resource))}` },
  }),
  'AWS::ApiGatewayV2::Authorizer': (resource) => ({ ref: madeId(resource) }),
  'AWS::ApiGatewayV2::Integration': (resource) => ({ ref: madeId(resource) }),
  'AWS::ApiGatewayV2::Route': (resource) => ({ ref: madeId(resource) }),
  'AWS::ApiGatewayV2::Stage': ({ property }) => ({ ref: property('StageName') }),
  'AWS::SecretsManager::Secret': (resource) => ({ ref: secretArn(resource), attributes: { Id: secretArn(resource) } }),
  'AWS::RDS::DBInstance': (resource, { database }) => ({
    ref: madeId(resource),
    attributes: {
      'Endpoint.Address': database.host,
      'Endpoint.Port': String(database.port),
      DbiResourceId: madeId(resource),
      'MasterUserSecret.SecretArn': arn('secretsmanager', `secret:rds!db-${madeId(resource)}`),
    },
  }),
  'AWS::ElastiCache::ReplicationGroup': (resource, { redis }) => ({
    ref: madeId(resource),
    attributes: { 'PrimaryEndPoint.Address': redis.host, 'PrimaryEndPoint.Port': String(redis.port) },
  }),
  'AWS::S3::Bucket': (resource) => {
    const name = physicalName(resource, 'BucketName').toLowerCase()
    const RegionalDomainName = `${name}.s3.${REGION}.${URL_SUFFIX}`
    return {
      ref: name,
      attributes: { Arn: `arn:aws:s3:::${name}`, RegionalDomainName, DomainName: `${name}.s3.${URL_SUFFIX}` },
    }
  },
  'AWS::CloudFront::Distribution': (resource) => ({
    ref: madeId(resource),
    attributes: { DomainName: `${madeId(resource)}.cloudfront.net`, Id: madeId(resource) },
  }),
  'AWS::CloudFront::Function': (resource) => ({
    ref: madeId(resource),
    attributes: { FunctionARN: arn('cloudfront', `function/${madeId(resource)}`, '') },
  }),
  'AWS::CloudFront::ResponseHeadersPolicy': (resource) => ({ ref: madeId(resource) }),
  'AWS::Events::Rule': (resource) => ({
    ref: madeId(resource),
    attributes: { Arn: arn('events', `rule/${madeId(resource)}`) },
  }),
  'AWS::IAM::Role': (resource) => {
    const name = physicalName(resource, 'RoleName')
    return { ref: name, attributes: { Arn: arn('iam', `role/${name}`, '') } }
  },
  'AWS::IAM::Policy': (resource) => ({ ref: physicalName(resource, 'PolicyName') }),
  'AWS::Lambda::Permission': (resource) => ({ ref: madeId(resource) }),
  'AWS::Logs::LogGroup': (resource) => {
    const name = physicalName(resource, 'LogGroupName')
    return { ref: name, attributes: { Arn: `${logGroupArn(name)}:*` } }
  },
  'AWS::CloudWatch::Alarm': (resource) => ({ ref: physicalName(resource, 'AlarmName') }),
  'AWS::IoT::TopicRule': (resource) => ({ ref: physicalName(resource, 'RuleName') }),
  'Custom::Trigger': (resource) => ({ ref: madeId(resource) }),
  'Custom::CDKBucketDeployment': (resource) => ({ ref: madeId(resource) }),
}

export const logGroupArn = (name: string) => arn('logs', `log-group:${name}`)

export const apiHost = (apiId: string) => `${apiId}.execute-api.${REGION}.${URL_SUFFIX}`

/** Types whose resources this cloud makes. */
export const WITH_LOCAL_EFFECT = Object.keys(VALUES)

export function refOf(resource: ResourceView, local: LocalValues): unknown {
  // Only other resources without effect read what these give.
  if (resource.type in WITHOUT_LOCAL_EFFECT) return resource.logicalId
  return valuesOf(resource, local).ref
}

export function attributeOf(resource: ResourceView, name: string, local: LocalValues): unknown {
  if (resource.type in WITHOUT_LOCAL_EFFECT) return `${resource.logicalId}.${name}`
  const value = valuesOf(resource, local).attributes?.[name]
  if (value === undefined)
    throw new Error(`local/ does not know the attribute ${name} of ${resource.type} (${resource.logicalId})`)
  return value
}

function valuesOf(resource: ResourceView, local: LocalValues) {
  const values = VALUES[resource.type]
  if (!values) throw new Error(`local/ does not know the resource type ${resource.type} (${resource.logicalId})`)
  return values(resource, local)
}
