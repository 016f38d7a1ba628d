/**
 * Rights that services use in a role's name, which AWS checks at a deployment or finds missing at the first event: here
 * a start is refused without them.
 */
import * as v from 'valibot'
import { arn } from '../aws-identity.ts'
import type { Assembly, ResolvedResource } from '../assembly/assembly.ts'
import { isAllowed, type Role } from './roles.ts'
import { masterSecretArn } from '../secrets-manager.ts'

export interface Need {
  /** ARN. */
  role: string
  /** Service that acts as the role. */
  service: string
  action: string
  /** ARN. */
  resource: string
  what: string
}

const FunctionProperties = v.object({
  Role: v.string(),
  LoggingConfig: v.object({ LogGroup: v.string() }),
  VpcConfig: v.optional(v.unknown()),
  Environment: v.optional(v.object({ Variables: v.record(v.string(), v.union([v.string(), v.number()])) }), {
    Variables: {},
  }),
})

/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html, "Required IAM permissions". */
const NETWORK_INTERFACE_ACTIONS = [
  'ec2:CreateNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:DeleteNetworkInterface',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
]

/** https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html, "Execution role permissions". */
const EVENT_SOURCE_ACTIONS = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes']

/** `functions`: those that run here. */
export function readNeeds(assembly: Assembly, functions: ResolvedResource[]): Need[] {
  return [
    ...functions.flatMap((resource) => needsOfFunction(assembly, resource)),
    ...needsOfEventSources(assembly, functions),
    ...needsOfRules(assembly),
  ]
}

/** A line for each need that the roles do not meet. */
export function unmetNeeds(needs: Need[], roles: Map<string, Role>): string[] {
  return needs.flatMap(({ role: roleArn, service, action, resource, what }) => {
    const role = roles.get(roleArn)
    if (!role) return [`${what}: no template has the role ${roleArn}`]
    if (!role.trusts.includes(service)) return [`${what}: ${roleArn} cannot be assumed by ${service}`]
    if (role.managedPolicies.length > 0)
      return [`${what}: ${roleArn} has managed policies, which are not evaluated here`]
    return isAllowed(role, action, resource) ? [] : [`${what}: ${roleArn} may not ${action} on ${resource}`]
  })
}

function needsOfFunction(assembly: Assembly, resource: ResolvedResource): Need[] {
  const { Role, LoggingConfig, VpcConfig, Environment } = v.parse(FunctionProperties, resource.properties)
  const variables = Object.values(Environment.Variables).map(String)
  const secrets = [
    ...assembly.resources('AWS::SecretsManager::Secret').map((secret) => String(assembly.ref(secret))),
    ...assembly.resources('AWS::RDS::DBInstance').map((database) => masterSecretArn(assembly, database)),
  ]
  const logStream = arn('logs', `log-group:${LoggingConfig.LogGroup}:log-stream:any`)
  const need = (action: string, on: string): Need => ({
    ...{ role: Role, service: 'lambda.amazonaws.com', action, resource: on },
    what: `Function ${resource.logicalId}`,
  })
  return [
    need('logs:CreateLogStream', logStream),
    need('logs:PutLogEvents', logStream),
    ...(VpcConfig === undefined ? [] : NETWORK_INTERFACE_ACTIONS.map((action) => need(action, '*'))),
    ...secrets
      .filter((secret) => variables.includes(secret))
      .map((secret) => need('secretsmanager:GetSecretValue', secret)),
    ...databaseUsers(assembly, Environment.Variables).map((user) => need('rds-db:connect', user)),
  ]
}

/** Locally a password, in AWS a token for this user. */
function databaseUsers(assembly: Assembly, { PGUSER }: Record<string, string | number>): string[] {
  if (PGUSER === undefined) return []
  return assembly
    .resources('AWS::RDS::DBInstance')
    .map((instance) =>
      arn('rds-db', `dbuser:${String(assembly.attribute(instance, 'DbiResourceId'))}/${String(PGUSER)}`),
    )
}

function needsOfEventSources(assembly: Assembly, functions: ResolvedResource[]): Need[] {
  return assembly.resources('AWS::Lambda::EventSourceMapping').flatMap(({ logicalId, properties }) => {
    const target = functions.find((candidate) => assembly.ref(candidate) === properties.FunctionName)
    return EVENT_SOURCE_ACTIONS.map((action) => ({
      ...{ role: String(target?.properties.Role), service: 'lambda.amazonaws.com', action },
      ...{ resource: String(properties.EventSourceArn), what: `Event source ${logicalId}` },
    }))
  })
}

const SqsAction = v.object({ Sqs: v.object({ QueueUrl: v.string(), RoleArn: v.string() }) })
const RulePayload = v.object({ Actions: v.array(SqsAction), ErrorAction: v.optional(SqsAction) })

function needsOfRules(assembly: Assembly): Need[] {
  return assembly.resources('AWS::IoT::TopicRule').flatMap(({ logicalId, properties }) => {
    const { Actions, ErrorAction } = v.parse(RulePayload, properties.TopicRulePayload)
    return [...Actions, ...(ErrorAction ? [ErrorAction] : [])].map(({ Sqs: { QueueUrl, RoleArn } }) => ({
      ...{ role: RoleArn, service: 'iot.amazonaws.com', action: 'sqs:SendMessage' },
      ...{ resource: arn('sqs', QueueUrl.split('/').at(-1)!), what: `Rule ${logicalId}` },
    }))
  })
}
