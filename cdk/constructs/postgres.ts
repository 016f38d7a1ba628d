import { ArnFormat, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import type { Metric } from 'aws-cdk-lib/aws-cloudwatch'
import { InstanceType, Peer, Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import {
  Credentials,
  DatabaseInstance,
  DatabaseInstanceEngine,
  PostgresEngineVersion,
  StorageType,
} from 'aws-cdk-lib/aws-rds'
import { Construct } from 'constructs'
import type { Access, Surroundings } from './lambda.ts'

const DATABASE = 'telemetry'

/** Roles that the migrations make; each function connects as one of them, with a token instead of a password. */
export type DatabaseRole =
  | 'iot_ingest'
  | 'iot_api'
  | 'iot_admin'
  | 'iot_rollup'
  | 'iot_quarantine'
  | 'iot_gateways'
  | 'iot_alarms'
  | 'iot_archive'
  | 'iot_exports'

/** PostgreSQL 16, closed to all but the functions that were given access. TLS is forced by RDS itself since 15. */
export class Postgres extends Construct {
  readonly #instance: DatabaseInstance
  readonly #clients: SecurityGroup

  constructor(scope: Construct, id: string, { settings, vpc }: Surroundings) {
    super(scope, id)
    const server = new SecurityGroup(this, 'Server', { vpc, description: 'Postgres', allowAllOutbound: false })
    this.#clients = new SecurityGroup(this, 'Clients', {
      vpc,
      description: 'May reach Postgres',
      allowAllOutbound: false,
    })
    server.addIngressRule(this.#clients, Port.POSTGRES, 'Functions')
    this.#clients.addEgressRule(Peer.ipv4(vpc.vpcCidrBlock), Port.POSTGRES, 'Postgres')

    const { instanceType, storageGb, maxStorageGb, backupDays } = settings.database
    this.#instance = new DatabaseInstance(this, 'Instance', {
      engine: DatabaseInstanceEngine.postgres({ version: PostgresEngineVersion.VER_16_13 }),
      instanceType: new InstanceType(instanceType),
      vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      securityGroups: [server],
      databaseName: DATABASE,
      // RDS makes the master's password and changes it every 7 days.
      credentials: Credentials.fromUsername('telemetry_master'),
      manageMasterUserPassword: true,
      iamAuthentication: true,
      storageType: StorageType.GP3,
      storageEncrypted: true,
      allocatedStorage: storageGb,
      maxAllocatedStorage: maxStorageGb,
      multiAz: settings.production,
      backupRetention: Duration.days(backupDays),
      copyTagsToSnapshot: true,
      autoMinorVersionUpgrade: true,
      deletionProtection: settings.production,
      removalPolicy: settings.production ? RemovalPolicy.SNAPSHOT : RemovalPolicy.DESTROY,
    })
  }

  /** Free storage of the instance, in bytes. */
  freeStorage(period: Duration): Metric {
    return this.#instance.metricFreeStorageSpace({ statistic: 'min', period })
  }

  get #place() {
    return {
      PGHOST: this.#instance.dbInstanceEndpointAddress,
      PGPORT: this.#instance.dbInstanceEndpointPort,
      PGDATABASE: DATABASE,
    }
  }

  /** For migrations and partitions, which own the tables. */
  get asMaster(): Access {
    const secret = this.#instance.secret!
    return {
      environment: { ...this.#place, DATABASE_SECRET_ARN: secret.secretArn },
      securityGroups: [this.#clients],
      statements: [new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [secret.secretArn] })],
    }
  }

  as(role: DatabaseRole): Access {
    return {
      environment: { ...this.#place, PGUSER: role },
      securityGroups: [this.#clients],
      statements: [
        new PolicyStatement({
          actions: ['rds-db:connect'],
          resources: [
            Stack.of(this).formatArn({
              service: 'rds-db',
              resource: 'dbuser',
              arnFormat: ArnFormat.COLON_RESOURCE_NAME,
              resourceName: `${this.#instance.instanceResourceId!}/${role}`,
            }),
          ],
        }),
      ],
    }
  }
}
