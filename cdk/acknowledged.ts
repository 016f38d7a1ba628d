import { type App, Validations } from 'aws-cdk-lib'
import type { Settings } from './settings.ts'

interface Acknowledged {
  rule: string
  /** Path of the construct in the app; everything below it is meant. Absent: the whole app. */
  at?: string
  reason: string
}

/** Rules of cdk-nag's AwsSolutions that we do not follow, where, and why. A test shows that none is stale. */
const ALWAYS: Acknowledged[] = [
  { rule: 'RDS11', at: 'Data/Postgres', reason: 'Another port hides nothing: only the functions can reach it.' },
  { rule: 'AEC5', at: 'Data/Redis', reason: 'As for Postgres.' },
  {
    rule: 'SMG4',
    at: 'Data/Redis/AuthToken',
    reason:
      'Redis is reached by our functions alone and holds no secret. docs/deploying.md says how to change its token.',
  },
  {
    rule: 'SMG4',
    at: 'Api/FirebaseServiceAccount',
    reason: 'Google issues it: the platform team puts a new one there. Nothing at AWS could rotate it.',
  },
  {
    rule: 'SQS3',
    at: 'Ingest/RuleErrors',
    reason: 'It is itself where the IoT rules put what they could not deliver.',
  },
  {
    rule: 'APIG4',
    at: 'Live/Socket',
    reason:
      'A browser cannot send headers with a socket: $connect takes a ticket of one use, and the other routes its connection.',
  },
  {
    rule: 'APIG4',
    at: 'Api/HttpApi',
    reason:
      'Routes that ask for no user; an enrolment has its token, and what gateways ask is signed. `/v1/{proxy+}` has the authorizer.',
  },
  { rule: 'APIG1', at: 'Live/Stage', reason: 'The URL of $connect carries the ticket, and no log is to have it.' },
  { rule: 'S1', at: 'Archive/Readings', reason: 'Our function writes it; whom a company lets read is in CloudTrail.' },
  {
    rule: 'S1',
    at: 'Exports/Files',
    reason: 'Each export that is asked for is in the audit log, and gone after some days.',
  },
  { rule: 'S1', at: 'Archive/Results', reason: 'Answers of Athena, gone after some days.' },
  { rule: 'S1', at: 'Web/Site', reason: 'The page is public, and only CloudFront reads the bucket.' },
  {
    rule: 'SMG4',
    at: 'Alarms/WebhookKey',
    reason: 'What it seals is stored: with another key the secrets of webhooks could not be read any more.',
  },
  { rule: 'CFR1', at: 'Web/Distribution', reason: 'Companies and their people may be anywhere.' },
  { rule: 'CFR3', at: 'Web/Distribution', reason: 'The page is public; the API behind /v1 logs each request itself.' },
  {
    rule: 'CFR4',
    at: 'Web/Distribution',
    reason:
      "CloudFront's own domain takes TLS 1.0 too, and only a domain of one's own changes that. Browsers of today never use it.",
  },
  {
    rule: 'L1',
    at: 'Web',
    reason: "The library's own function that copies the page; the library chooses its runtime.",
  },
]

const ACCOUNT = '<AWS::Region>:<AWS::AccountId>'

type Told = Pick<Settings, 'stage' | 'production' | 'analysts'>

/** Wildcards in the rights of our functions. That each statement is needed at all is shown by test/system/rights.test.ts. */
const WILDCARDS = ({ stage, analysts }: Told): Record<string, string> => ({
  '*': 'Network interfaces, and what AWS IoT cannot narrow. test/unit/cdk/security.test.ts lists these actions.',
  [`arn:<AWS::Partition>:iot:${ACCOUNT}:thing/*`]: 'Gateways are made while the system runs.',
  [`arn:<AWS::Partition>:iot:${ACCOUNT}:policy/*`]: 'As Things.',
  [`arn:<AWS::Partition>:iot:${ACCOUNT}:cert/*`]: 'As Things.',
  [`arn:<AWS::Partition>:iot:${ACCOUNT}:client/*`]: 'To end the connection of a gateway that is revoked.',
  [`arn:<AWS::Partition>:execute-api:${ACCOUNT}:<SocketFF70B135>/live/*/@connections/*`]: 'Browsers come and go.',
  [`arn:<AWS::Partition>:execute-api:${ACCOUNT}:iot-telemetry-${stage}-live:ExportsOutputRefSocketFF70B13529F914CD/live/*/@connections/*`]:
    'The same, from another stack.',
  '<Readings9F99D490.Arn>/readings/*': 'Files of each company and day.',
  '<Readings9F99D490.Arn>/staging/*': 'What is being written.',
  [`iot-telemetry-${stage}-archive:ExportsOutputFnGetAttReadings9F99D490Arn02C94574/readings/*`]:
    'The same, from another stack: the admin function hands a company its files, and removes them with it.',
  [`iot-telemetry-${stage}-archive:ExportsOutputFnGetAttReadings9F99D490Arn02C94574/staging/*`]: 'As these.',
  '<Files8E6940B8.Arn>/exports/*': 'Files of each company.',
  [`iot-telemetry-${stage}-exports:ExportsOutputFnGetAttFiles8E6940B8ArnD8EE6C03/exports/*`]:
    'The same, from another stack: the API hands them out, and the admin function removes them with their company.',
  ...Object.fromEntries(
    Object.keys(analysts).flatMap((tenant) => [
      [`<Readings9F99D490.Arn>/readings/tenant=${tenant}/*`, 'An analyst reads the files of one company.'],
      [`<Results25575328.Arn>/athena/${tenant}/*`, 'Where Athena puts the answers for that company.'],
    ]),
  ),
  '<SiteE53D7754.Arn>/*': 'The copy of the page writes each file of it.',
  [`arn:<AWS::Partition>:s3:::cdk-hnb659fds-assets-<AWS::AccountId>-<AWS::Region>/*`]:
    'It reads the built page where `cdk deploy` put it.',
})

/** What production has and a stage for trying does not. */
const OUTSIDE_PRODUCTION: Acknowledged[] = [
  { rule: 'RDS3', at: 'Data/Postgres', reason: 'No standby: a stage for trying may be away for some minutes.' },
  { rule: 'RDS10', at: 'Data/Postgres', reason: 'A stage for trying can be destroyed by one command.' },
  { rule: 'CFR2', at: 'Web/Distribution', reason: 'No WAF: $5 a month and more for a stage for trying.' },
  { rule: 'AEC4', at: 'Data/Redis', reason: 'As for Postgres: no replica.' },
]

export function acknowledgedRules(settings: Told): Acknowledged[] {
  const wildcards = Object.entries(WILDCARDS(settings)).map(([resource, reason]) => ({
    rule: `IAM5[Resource::${resource}]`,
    reason,
  }))
  return [...ALWAYS, ...wildcards, ...(settings.production ? [] : OUTSIDE_PRODUCTION)]
}

/** Throws when a path names no construct any more. */
export function acknowledge(app: App, rules: Acknowledged[]): void {
  for (const { rule, at, reason } of rules) {
    const construct = (at?.split('/') ?? []).reduce((parent, name) => parent.node.findChild(name), app.node.root)
    Validations.of(construct).acknowledge({ id: `AwsSolutions::AwsSolutions-${rule}`, reason })
  }
}
