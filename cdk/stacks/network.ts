import { ArnFormat, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import {
  FlowLogDestination,
  FlowLogTrafficType,
  GatewayVpcEndpointAwsService,
  Peer,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Key } from 'aws-cdk-lib/aws-kms'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import type { Construct } from 'constructs'
import type { Surroundings } from '../constructs/lambda.ts'
import type { Settings } from '../settings.ts'

/**
 * Where everything stands: functions in private subnets that reach the internet through NAT (`@connections`, Firebase
 * and the IoT control plane are public), data in subnets with no way out.
 */
export class NetworkStack extends Stack {
  readonly surroundings: Surroundings

  constructor(scope: Construct, id: string, props: StackProps, settings: Settings) {
    super(scope, id, props)
    const vpc = new Vpc(this, 'Vpc', {
      maxAzs: 2,
      natGateways: settings.natGateways,
      subnetConfiguration: [
        { name: 'public', subnetType: SubnetType.PUBLIC, cidrMask: 24 },
        { name: 'functions', subnetType: SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 20 },
        { name: 'data', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 24 },
      ],
    })
    // It costs nothing, and what goes to S3 through NAT does: the archive.
    vpc.addGatewayEndpoint('S3', { service: GatewayVpcEndpointAwsService.S3 })
    const outbound = new SecurityGroup(this, 'Outbound', {
      vpc,
      description: 'Functions: HTTPS to AWS services and Firebase',
      allowAllOutbound: false,
    })
    outbound.addEgressRule(Peer.anyIpv4(), Port.HTTPS, 'HTTPS')
    const logKey = settings.production ? this.#logKey() : undefined
    const refused = new LogGroup(this, 'RefusedTraffic', {
      retention: settings.logRetention,
      removalPolicy: settings.production ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      ...(logKey && { encryptionKey: logKey }),
    })
    // What is let through is known to the services' own logs; what is refused is an intruder, or a mistake in a security group.
    vpc.addFlowLog('RefusedTrafficLog', {
      trafficType: FlowLogTrafficType.REJECT,
      destination: FlowLogDestination.toCloudWatchLogs(refused),
    })
    const alarmTopic = new Topic(this, 'Alarms', {
      topicName: `iot-telemetry-${settings.stage}-alarms`,
      displayName: `iot-telemetry ${settings.stage}`,
      enforceSSL: true,
    })
    // Any policy of a topic takes the place of SNS's own, by which alarms of the account may publish.
    alarmTopic.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [alarmTopic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': this.account } },
      }),
    )
    if (settings.alarmEmail) alarmTopic.addSubscription(new EmailSubscription(settings.alarmEmail))
    this.surroundings = { settings, vpc, outbound, alarmTopic, ...(logKey && { logKey }) }
  }

  #logKey(): Key {
    const key = new Key(this, 'LogKey', {
      description: 'Logs of the telemetry functions',
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
    })
    key.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal(`logs.${this.region}.amazonaws.com`)],
        actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:DescribeKey'],
        resources: ['*'],
        conditions: {
          ArnLike: {
            'kms:EncryptionContext:aws:logs:arn': this.formatArn({
              service: 'logs',
              resource: 'log-group',
              arnFormat: ArnFormat.COLON_RESOURCE_NAME,
              resourceName: '*',
            }),
          },
        },
      }),
    )
    return key
  }
}
