import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway'
import { HttpApi, HttpMethod, HttpStage, LogGroupLogDestination } from 'aws-cdk-lib/aws-apigatewayv2'
import { HttpLambdaAuthorizer, HttpLambdaResponseType } from 'aws-cdk-lib/aws-apigatewayv2-authorizers'
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations'
import { MathExpression } from 'aws-cdk-lib/aws-cloudwatch'
import { Rule, Schedule } from 'aws-cdk-lib/aws-events'
import { LambdaFunction as Invoke } from 'aws-cdk-lib/aws-events-targets'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import type { Construct } from 'constructs'
import { alarm, houseMetric } from '../constructs/alarm.ts'
import { END_GATEWAY, type IotAction, mayDoAtIot } from '../constructs/iot-rights.ts'
import { type Access, houseFunction, type Surroundings } from '../constructs/lambda.ts'
import type { AlarmsStack } from './alarms.ts'
import type { ArchiveStack } from './archive.ts'
import type { DataStack } from './data.ts'
import type { ExportsStack } from './exports.ts'
import type { IngestStack } from './ingest.ts'
import type { LiveStack } from './live.ts'

/** Routes that ask for no user. An enrolment carries its own one-time token, a gateway signs what it asks. */
const OPEN_ROUTES = [
  { method: HttpMethod.GET, path: '/v1/health' },
  { method: HttpMethod.GET, path: '/v1/openapi.json' },
  { method: HttpMethod.POST, path: '/v1/enrolments' },
  { method: HttpMethod.POST, path: '/v1/identity/check' },
  { method: HttpMethod.POST, path: '/v1/identity/renew' },
  { method: HttpMethod.POST, path: '/v1/identity/confirm' },
]

/** A gateway from its Thing to a certificate, which the API gives. */
const MAKE_GATEWAY: IotAction[] = [
  'CreateThing',
  'CreatePolicy',
  'CreatePolicyVersion',
  'CreateCertificateFromCsr',
  'AttachPolicy',
  'AttachThingPrincipal',
]

/** What is left of a tenant's gateways, for the proof that nothing is. */
const FIND_REMAINS: IotAction[] = ['DescribeThing', 'ListThingPrincipals', 'ListTargetsForPolicy']

/** To list what there is, and to make again what a gateway lacks, without new certificates. */
const COMPARE: IotAction[] = [
  ...(['CreateThing', 'CreatePolicy', 'CreatePolicyVersion', 'AttachPolicy', 'AttachThingPrincipal'] as const),
  ...(['ListThings', 'ListThingPrincipals', 'ListPolicies', 'ListTargetsForPolicy', 'DescribeThing'] as const),
]

/** The HTTP API with its authorizer, and the admin function that only AWS credentials can call. */
export class ApiStack extends Stack {
  readonly apiHost: string

  constructor(
    scope: Construct,
    id: string,
    props: StackProps,
    surroundings: Surroundings,
    { postgres, redis }: DataStack,
    alarms: AlarmsStack,
    ingest: IngestStack,
    live: LiveStack,
    archive: ArchiveStack,
    exports: ExportsStack,
  ) {
    super(scope, id, props)
    const { settings } = surroundings
    const httpApi = new HttpApi(this, 'HttpApi', {
      apiName: `iot-telemetry-${settings.stage}-api`,
      createDefaultStage: false,
    })
    this.apiHost = `${httpApi.apiId}.execute-api.${this.region}.${this.urlSuffix}`
    new HttpStage(this, 'Stage', {
      httpApi,
      stageName: '$default',
      autoDeploy: true,
      throttle: { rateLimit: 200, burstLimit: 400 },
      accessLogSettings: {
        destination: new LogGroupLogDestination(
          new LogGroup(this, 'AccessLogs', {
            // AWS lets its services write to this prefix without one more resource policy per log group.
            logGroupName: `/aws/vendedlogs/iot-telemetry-${settings.stage}-api`,
            retention: settings.logRetention,
            // Its name would be taken if it outlived a first deployment that fails.
            removalPolicy: settings.production ? RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE : RemovalPolicy.DESTROY,
            ...(surroundings.logKey && { encryptionKey: surroundings.logKey }),
          }),
        ),
        format: ACCESS_LOG,
      },
    })

    const serviceAccount = new Secret(this, 'FirebaseServiceAccount', {
      description: 'Service account key (JSON) of the Firebase project: put it here before the first user is invited',
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const accounts: Access = {
      environment: {
        FIREBASE_PROJECT_ID: settings.firebase.projectId,
        FIREBASE_API_KEY: settings.firebase.apiKey,
        FIREBASE_SECRET_ARN: serviceAccount.secretArn,
      },
      statements: [
        new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [serviceAccount.secretArn] }),
      ],
    }

    const api = houseFunction(this, 'Api', surroundings, {
      folder: 'api',
      description: 'The HTTP API',
      memoryMb: 1024,
      timeout: Duration.seconds(28), // API Gateway answers 504 after 30 s.
      access: [
        postgres.as('iot_api'),
        redis.access,
        live.posting,
        accounts,
        alarms.sealing,
        alarms.deliveries.sending('ALARM_QUEUE_URL'),
        exports.asking,
        ingest.fanOut.sending('FAN_OUT_QUEUE_URL'),
        { statements: mayDoAtIot(this, [...END_GATEWAY, ...MAKE_GATEWAY]) },
      ],
      environment: {
        API_URL: httpApi.apiEndpoint,
        REALTIME_URL: live.url,
        HOT_RETENTION_DAYS: String(settings.hotRetentionDays),
        HISTORY_RETENTION_DAYS: String(settings.historyRetentionDays),
      },
      ...(settings.apiConcurrency && { reservedConcurrency: settings.apiConcurrency }),
    })
    const authorizer = houseFunction(this, 'Authorizer', surroundings, {
      folder: 'authorizer',
      description: "Verifies the caller's Firebase token",
      memoryMb: 512,
      timeout: Duration.seconds(10),
      inVpc: false,
      environment: { FIREBASE_PROJECT_ID: settings.firebase.projectId },
    })

    const period = Duration.minutes(5)
    alarm(this, 'RequestsFailAlarm', settings, {
      heading: 'API: requests fail',
      description: 'Within five minutes five requests were answered with 500 or above, or not at all.',
      metric: new MathExpression({
        label: 'Failed requests',
        expression: 'FILL(answered, 0) + FILL(api, 0) + FILL(authorizer, 0)',
        usingMetrics: {
          answered: houseMetric(settings, 'RequestsFailed', 'sum', period),
          api: api.metricErrors({ period }),
          authorizer: authorizer.metricErrors({ period }),
        },
        period,
      }),
      atLeast: 5,
    })

    const integration = new HttpLambdaIntegration('ApiIntegration', api)
    httpApi.addRoutes({
      path: '/v1/{proxy+}',
      methods: [HttpMethod.ANY],
      integration,
      authorizer: new HttpLambdaAuthorizer('FirebaseAuthorizer', authorizer, {
        responseTypes: [HttpLambdaResponseType.SIMPLE],
        identitySource: ['$request.header.Authorization'],
        resultsCacheTtl: Duration.seconds(60),
      }),
    })
    for (const { method, path } of OPEN_ROUTES) httpApi.addRoutes({ path, methods: [method], integration })

    const admin = houseFunction(this, 'Admin', surroundings, {
      folder: 'admin',
      functionName: `iot-telemetry-${settings.stage}-admin`,
      description: 'What the platform team does with tenants (npm run admin)',
      memoryMb: 512,
      timeout: Duration.minutes(2),
      access: [
        postgres.as('iot_admin'),
        redis.access,
        live.posting,
        accounts,
        archive.handingOut,
        exports.removing,
        { statements: mayDoAtIot(this, [...END_GATEWAY, ...FIND_REMAINS]) },
      ],
    })

    const reconciler = houseFunction(this, 'ReconcileGateways', surroundings, {
      folder: 'reconcile-gateways',
      description: 'Compares gateways with AWS IoT, and finishes what was interrupted there',
      memoryMb: 256,
      timeout: Duration.minutes(5),
      access: [postgres.as('iot_gateways'), { statements: mayDoAtIot(this, [...END_GATEWAY, ...COMPARE]) }],
    })
    new Rule(this, 'ReconcileGatewaysSchedule', {
      description: 'What a failed call has left at AWS IoT is gone within a quarter of an hour',
      schedule: Schedule.rate(Duration.minutes(15)),
      targets: [new Invoke(reconciler)],
    })
    alarm(this, 'GatewayComparisonAlarm', settings, {
      heading: 'Gateways: the comparison with AWS IoT fails',
      description: 'What a failed call has left at AWS IoT is neither finished nor told.',
      metric: reconciler.metricErrors({ period: Duration.minutes(15) }),
      atLeast: 1,
      periods: 2,
    })
    alarm(this, 'GatewayDifferencesAlarm', settings, {
      heading: 'Gateways: AWS IoT and the database differ',
      description: 'Something of a gateway exists at one of them only, and was not repaired.',
      metric: houseMetric(settings, 'GatewayDifferences', 'max', Duration.minutes(15)),
      atLeast: 1,
      periods: 2,
    })

    new CfnOutput(this, 'ApiUrl', { value: httpApi.apiEndpoint })
    new CfnOutput(this, 'AdminFunctionName', { value: admin.functionName })
    new CfnOutput(this, 'FirebaseServiceAccountSecret', { value: serviceAccount.secretName })
  }
}

/** No header, no query: neither tokens nor personal data reach the log. */
const ACCESS_LOG = AccessLogFormat.custom(
  JSON.stringify({
    requestId: '$context.requestId',
    time: '$context.requestTimeEpoch',
    route: '$context.routeKey',
    path: '$context.path',
    status: '$context.status',
    latencyMs: '$context.responseLatency',
    bytes: '$context.responseLength',
    ip: '$context.identity.sourceIp',
    authorizerError: '$context.authorizer.error',
    integrationError: '$context.integrationErrorMessage',
  }),
)
