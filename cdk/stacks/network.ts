import { ArnFormat, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import { GatewayVpcEndpointAwsService, Peer, Port, SecurityGroup, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Key } from 'aws-cdk-lib/aws-kms'
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
    this.surroundings = { settings, vpc, outbound, ...(settings.production && { logKey: this.#logKey() }) }
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
