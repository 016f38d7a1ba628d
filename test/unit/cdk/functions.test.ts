import { describe, expect, it } from 'vitest'
import { routes as apiRoutes } from '../../../lambdas/api/routes.ts'
import { houseFunctions, resources, synthesize } from './templates.ts'

const COMMON = [
  'NODE_OPTIONS',
  'POWERTOOLS_LOG_LEVEL',
  'POWERTOOLS_METRICS_NAMESPACE',
  'POWERTOOLS_SERVICE_NAME',
  'STAGE',
]
const POSTGRES = ['PGDATABASE', 'PGHOST', 'PGPORT', 'PGUSER']
const MASTER = ['DATABASE_SECRET_ARN', 'PGDATABASE', 'PGHOST', 'PGPORT']
const REDIS = ['REDIS_SECRET_ARN', 'REDIS_URL']
const QUEUES = ['DEAD_LETTER_QUEUE_URL', 'FAN_OUT_QUEUE_URL', 'QUEUE_URL']
const ACCOUNTS = ['FIREBASE_API_KEY', 'FIREBASE_PROJECT_ID', 'FIREBASE_SECRET_ARN']
const POSTING = ['AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI']

/** What each function finds in its environment; its own schema in lambdas/ asks for the same. */
const ENVIRONMENT: Record<string, string[]> = {
  Migrate: [...MASTER, 'HOT_RETENTION_DAYS'],
  Partitions: [...MASTER, 'HISTORY_RETENTION_DAYS', 'HOT_RETENTION_DAYS'],
  Rollup: POSTGRES,
  Archive: [...POSTGRES, 'ARCHIVE_BUCKET', 'HOT_RETENTION_DAYS'],
  Exports: [...POSTGRES, 'ARCHIVE_BUCKET', 'EXPORTS_BUCKET', 'EXPORT_QUEUE_URL'],
  Ingest: [...POSTGRES, ...REDIS, ...QUEUES, 'ALARM_QUEUE_URL', 'HOT_RETENTION_DAYS'],
  LateIngest: [...POSTGRES, ...REDIS, ...QUEUES, 'ALARM_QUEUE_URL', 'HOT_RETENTION_DAYS'],
  Status: [...POSTGRES, ...REDIS, ...QUEUES],
  AlarmDelivery: [...POSTGRES, 'ALARM_QUEUE_URL', 'MAIL_FROM', 'PAGE_URL', 'WEBHOOK_KEY_SECRET_ARN'],
  AlarmSweep: [...POSTGRES, ...REDIS, 'ALARM_QUEUE_URL', 'FAN_OUT_QUEUE_URL', 'TELEMETRY_QUEUE_URL'],
  PresenceSweep: [...POSTGRES, ...REDIS, 'FAN_OUT_QUEUE_URL', 'STATUS_QUEUE_URL'],
  Quarantine: [...POSTGRES, 'RULE_ERRORS_URL', 'STATUS_DEAD_LETTERS_URL', 'TELEMETRY_DEAD_LETTERS_URL'],
  Redrive: [...POSTGRES, 'STATUS_QUEUE_URL', 'TELEMETRY_QUEUE_URL'],
  FanOut: [...REDIS, ...POSTING],
  LiveSocket: [...POSTGRES, ...REDIS, ...POSTING],
  Api: [
    ...POSTGRES,
    ...REDIS,
    ...POSTING,
    ...ACCOUNTS,
    'API_URL',
    'HISTORY_RETENTION_DAYS',
    'HOT_RETENTION_DAYS',
    'ALARM_QUEUE_URL',
    'EXPORTS_BUCKET',
    'EXPORT_QUEUE_URL',
    'FAN_OUT_QUEUE_URL',
    'REALTIME_URL',
    'WEBHOOK_KEY_SECRET_ARN',
  ],
  ReconcileGateways: POSTGRES,
  Authorizer: ['FIREBASE_PROJECT_ID'],
  Admin: [...POSTGRES, ...REDIS, ...POSTING, ...ACCOUNTS, 'ARCHIVE_BUCKET', 'EXPORTS_BUCKET'],
}

describe('functions', () => {
  const templates = synthesize()
  const functions = houseFunctions(templates)

  it('are the ones of the design', () => {
    expect(Object.keys(functions).toSorted()).toEqual(Object.keys(ENVIRONMENT).toSorted())
  })

  it.each(Object.entries(ENVIRONMENT))('%s has the environment that it reads', (name, variables) => {
    const environment = functions[name]?.properties.Environment?.Variables ?? {}
    expect(Object.keys(environment).toSorted()).toEqual([...COMMON, ...variables].toSorted())
    // Lambda takes 4 KB; references become longer than they are here, never by half.
    expect(JSON.stringify(environment).length).toBeLessThan(2600)
  })

  it('run one bundle each on Node 24 and arm64', () => {
    for (const [name, { properties }] of Object.entries(functions)) {
      expect(properties, name).toMatchObject({
        Handler: 'index.handler',
        Runtime: 'nodejs24.x',
        Architectures: ['arm64'],
      })
    }
  })

  it('stand in the VPC, except the authorizer, which needs nothing there', () => {
    const outside = Object.entries(functions).filter(([, { properties }]) => properties.VpcConfig === undefined)
    expect(outside.map(([name]) => name)).toEqual(['Authorizer'])
  })

  it('answer before API Gateway gives up after 30 s', () => {
    for (const name of ['Api', 'Authorizer', 'LiveSocket'])
      expect(functions[name]?.properties.Timeout, name).toBeLessThan(30)
  })

  it('migrate at each deployment, make partitions every six hours, roll up, sweep presence and alarms and redrive each minute', () => {
    expect(resources(templates, 'Custom::Trigger').map(({ properties }) => properties)).toEqual([
      expect.objectContaining({ InvocationType: 'RequestResponse', ExecuteOnHandlerChange: true }),
    ])
    const schedules = resources(templates, 'AWS::Events::Rule').map(({ id, properties }) => [
      id.slice(0, -8),
      properties['ScheduleExpression'],
    ])
    expect(schedules).toEqual([
      ['PartitionsSchedule', 'rate(6 hours)'],
      ['RollupSchedule', 'rate(1 minute)'],
      ['ArchiveSchedule', 'rate(15 minutes)'],
      ['PresenceSweepSchedule', 'rate(1 minute)'],
      ['AlarmSweepSchedule', 'rate(1 minute)'],
      ['RedriveSchedule', 'rate(1 minute)'],
      ['ReconcileGatewaysSchedule', 'rate(15 minutes)'],
    ])
    // One run of it at a time.
    expect(functions['Redrive']?.properties.Timeout).toBeLessThan(60)
  })

  it.each([
    ['PresenceSweep', 'StatusPipelineBehind'],
    ['Rollup', 'RollupHoursWaiting'],
    ['ReconcileGateways', 'GatewayDifferences'],
  ])('%s writes the metric that an alarm reads, %s, under the name in its environment', (name, metric) => {
    const alarms = resources<{ MetricName: string; Namespace: string; Dimensions: unknown }>(
      templates,
      'AWS::CloudWatch::Alarm',
    )
    const { Variables } = functions[name]!.properties.Environment!
    expect(alarms.find(({ properties }) => properties.MetricName === metric)?.properties).toMatchObject({
      Namespace: Variables['POWERTOOLS_METRICS_NAMESPACE'],
      Dimensions: [{ Name: 'service', Value: Variables['POWERTOOLS_SERVICE_NAME'] }],
    })
  })
})

describe('routes', () => {
  const templates = synthesize()
  interface RouteProperties {
    RouteKey: string
    AuthorizationType: string
  }
  const routes = resources<RouteProperties>(templates, 'AWS::ApiGatewayV2::Route').map(({ stack, properties }) => [
    stack,
    properties.RouteKey,
    properties.AuthorizationType,
  ])

  it('ask for a user, except those that the API opens to everybody', () => {
    const open = apiRoutes
      .filter(({ kind }) => kind === 'open')
      .map(({ method, path }) => ['Api', `${method} ${path}`, 'NONE'])
    expect(open.length).toBeGreaterThan(2)
    expect(routes.toSorted()).toEqual(
      [
        ['Api', 'ANY /v1/{proxy+}', 'CUSTOM'],
        ...open,
        ['Live', '$connect', 'NONE'],
        ['Live', '$default', 'NONE'],
        ['Live', '$disconnect', 'NONE'],
      ].toSorted(),
    )
  })

  it('verify the token of a request at most once a minute', () => {
    expect(resources(templates, 'AWS::ApiGatewayV2::Authorizer').map(({ properties }) => properties)).toEqual([
      expect.objectContaining({
        AuthorizerPayloadFormatVersion: '2.0',
        AuthorizerResultTtlInSeconds: 60,
        EnableSimpleResponses: true,
        IdentitySource: ['$request.header.Authorization'],
      }),
    ])
  })

  it('log neither the ticket of a socket nor a token', () => {
    const stages = resources<{ AccessLogSettings?: { Format: string } }>(templates, 'AWS::ApiGatewayV2::Stage')
    for (const { stack, properties } of stages) {
      if (stack === 'Live') expect(properties.AccessLogSettings).toBeUndefined()
      else expect(properties.AccessLogSettings?.Format).not.toMatch(/header|query|authorizer\.(?!error)/i)
    }
  })
})
