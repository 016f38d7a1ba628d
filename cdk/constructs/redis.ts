import { RemovalPolicy } from 'aws-cdk-lib'
import { Peer, Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2'
import { CfnReplicationGroup, CfnSubnetGroup } from 'aws-cdk-lib/aws-elasticache'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import type { Access, Surroundings } from './lambda.ts'

/**
 * Redis 7.1, one shard: classic pub/sub needs cluster mode off. Nothing in it is the only copy of anything, so it is not
 * backed up; production has a replica that takes over.
 */
export class Redis extends Construct {
  readonly #group: CfnReplicationGroup
  readonly #clients: SecurityGroup
  readonly #authToken: Secret

  constructor(scope: Construct, id: string, { settings, vpc }: Surroundings) {
    super(scope, id)
    const server = new SecurityGroup(this, 'Server', { vpc, description: 'Redis', allowAllOutbound: false })
    this.#clients = new SecurityGroup(this, 'Clients', { vpc, description: 'May reach Redis', allowAllOutbound: false })
    server.addIngressRule(this.#clients, Port.tcp(6379), 'Functions')
    this.#clients.addEgressRule(Peer.ipv4(vpc.vpcCidrBlock), Port.tcp(6379), 'Redis')

    // ElastiCache takes 16 to 128 printable characters without / " @.
    this.#authToken = new Secret(this, 'AuthToken', {
      description: 'AUTH token of Redis, as plain text',
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
    })
    this.#group = new CfnReplicationGroup(this, 'Group', {
      replicationGroupDescription: `Live state of iot-telemetry ${settings.stage}`,
      engine: 'redis',
      engineVersion: '7.1',
      cacheNodeType: settings.cacheNodeType,
      numCacheClusters: settings.production ? 2 : 1,
      automaticFailoverEnabled: settings.production,
      multiAzEnabled: settings.production,
      cacheSubnetGroupName: new CfnSubnetGroup(this, 'Subnets', {
        description: 'Subnets of Redis',
        subnetIds: vpc.selectSubnets({ subnetType: SubnetType.PRIVATE_ISOLATED }).subnetIds,
      }).ref,
      securityGroupIds: [server.securityGroupId],
      transitEncryptionEnabled: true,
      atRestEncryptionEnabled: true,
      authToken: this.#authToken.secretValue.unsafeUnwrap(),
    })
    this.#group.applyRemovalPolicy(RemovalPolicy.DESTROY)
  }

  get access(): Access {
    return {
      environment: {
        REDIS_URL: `rediss://${this.#group.attrPrimaryEndPointAddress}:${this.#group.attrPrimaryEndPointPort}`,
        REDIS_SECRET_ARN: this.#authToken.secretArn,
      },
      securityGroups: [this.#clients],
      statements: [
        new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [this.#authToken.secretArn] }),
      ],
    }
  }
}
