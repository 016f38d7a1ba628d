import { type Duration, RemovalPolicy } from 'aws-cdk-lib'
import { type ISecurityGroup, type IVpc, SubnetType } from 'aws-cdk-lib/aws-ec2'
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import { Architecture, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import type { Construct } from 'constructs'
import { metricNamespace } from '../../schemas/metrics.ts'
import type { Settings } from '../settings.ts'
import { lambdaBundle } from './bundle.ts'

/** What every function of a stage stands in. */
export interface Surroundings {
  settings: Settings
  vpc: IVpc
  /** Lets a function reach HTTPS anywhere: the AWS services and Firebase, through the NAT gateway. */
  outbound: ISecurityGroup
  /** Told of every alarm that begins and ends. */
  alarmTopic: ITopic
  /** Encrypts logs in production. */
  logKey?: IKey
}

/** The right and the means to use one thing: a database role, Redis, a queue. A function's role is the sum of these. */
export interface Access {
  environment?: Record<string, string>
  securityGroups?: ISecurityGroup[]
  statements?: PolicyStatement[]
}

export interface HouseFunctionProps {
  /** The entry is `lambdas/{folder}/{folder}.lambda.ts`. */
  folder: string
  description: string
  /** Only where people call it by name; else CloudFormation makes one. */
  functionName?: string
  memoryMb: number
  timeout: Duration
  access?: Access[]
  environment?: Record<string, string>
  /** False for a function that needs nothing inside the VPC: it starts faster there. */
  inVpc?: boolean
  reservedConcurrency?: number
}

/**
 * A Lambda function with the house's defaults: Node 24 on arm64, one bundle, a log group of its own, and a role that may
 * write those logs, stand in the VPC, and use what `access` lists. Nothing is granted by a managed policy.
 */
export function houseFunction(
  scope: Construct,
  id: string,
  { settings, vpc, outbound, logKey }: Surroundings,
  {
    folder,
    description,
    functionName,
    memoryMb,
    timeout,
    access = [],
    environment,
    inVpc = true,
    reservedConcurrency,
  }: HouseFunctionProps,
): LambdaFunction {
  const logGroup = new LogGroup(scope, `${id}Logs`, {
    retention: settings.logRetention,
    removalPolicy: settings.production ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    ...(logKey && { encryptionKey: logKey }),
  })
  const statements = [writeTo(logGroup), ...access.flatMap((one) => one.statements ?? [])]
  if (inVpc) statements.push(standInVpc())
  return new LambdaFunction(scope, id, {
    description,
    ...(functionName && { functionName }),
    runtime: Runtime.NODEJS_24_X,
    architecture: Architecture.ARM_64,
    handler: 'index.handler',
    code: lambdaBundle(folder),
    memorySize: memoryMb,
    timeout,
    logGroup,
    // Inline, so that the rights exist before the function does: attaching it to the VPC already uses them.
    role: new Role(scope, `${id}Role`, {
      description,
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      inlinePolicies: { access: new PolicyDocument({ statements }) },
    }),
    ...(inVpc && {
      vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_WITH_EGRESS },
      securityGroups: [outbound, ...access.flatMap((one) => one.securityGroups ?? [])],
    }),
    // Of what a schedule starts: AWS would run it twice more beside the next, and count each in the alarms.
    retryAttempts: 0,
    ...(reservedConcurrency && { reservedConcurrentExecutions: reservedConcurrency }),
    environment: {
      // Stack traces name our files and lines; it costs about 10 ms of a cold start.
      NODE_OPTIONS: '--enable-source-maps',
      STAGE: settings.stage,
      POWERTOOLS_SERVICE_NAME: folder,
      POWERTOOLS_METRICS_NAMESPACE: metricNamespace(settings.stage),
      POWERTOOLS_LOG_LEVEL: 'INFO',
      ...access.reduce<Record<string, string>>((all, one) => ({ ...all, ...one.environment }), {}),
      ...environment,
    },
  })
}

export const writeTo = (logGroup: LogGroup) =>
  new PolicyStatement({
    actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    resources: [logGroup.logGroupArn],
  })

/** EC2 has no resource-level permission for a function's network interfaces. */
const standInVpc = () =>
  new PolicyStatement({
    actions: [
      'ec2:AssignPrivateIpAddresses',
      'ec2:CreateNetworkInterface',
      'ec2:DeleteNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSubnets',
      'ec2:UnassignPrivateIpAddresses',
    ],
    resources: ['*'],
  })
