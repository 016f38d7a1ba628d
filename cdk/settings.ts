import { RetentionDays } from 'aws-cdk-lib/aws-logs'

/** How SQS hands messages to a consumer: a batch of at most `batchSize`, gathered for at most `windowSec`. */
export interface Batching {
  batchSize: number
  /** Lambda demands at least 1 s above a batch of 10; absent means no wait. */
  windowSec?: number
}

/** `live` shows a reading soonest; `bulk` stores the most per second and adds up to a second of delay. */
export const INGEST_PROFILES = {
  live: { batchSize: 10 },
  bulk: { batchSize: 1000, windowSec: 1 },
} as const satisfies Record<string, Batching>

/** What differs between stages. */
interface StageSettings {
  natGateways: number
  /** Production: standby instances, and nothing with data in it can be deleted by accident. */
  production: boolean
  database: { instanceType: string; storageGb: number; maxStorageGb: number; backupDays: number }
  cacheNodeType: string
  /** Days for which each reading is kept in Postgres. */
  hotRetentionDays: number
  /** Days for which its minutes and hours are: about 35 bytes per tag and minute. */
  historyRetentionDays: number
  logRetention: RetentionDays
  /** Concurrent invocations per consumer. Each holds one database connection, so their sum stays far below the instance's limit. */
  maxConcurrency: Record<'telemetry' | 'lateTelemetry' | 'status' | 'fanOut' | 'alarms' | 'exports', number>
  /** Reserved for the Api function, which bounds its connections; absent: the account's (a new account has 10 in all). */
  apiConcurrency?: number
}

export const STAGES = {
  dev: {
    natGateways: 1,
    production: false,
    database: { instanceType: 't4g.small', storageGb: 20, maxStorageGb: 100, backupDays: 1 },
    cacheNodeType: 'cache.t4g.micro',
    hotRetentionDays: 30,
    historyRetentionDays: 90,
    logRetention: RetentionDays.ONE_WEEK,
    maxConcurrency: { telemetry: 2, lateTelemetry: 2, status: 2, fanOut: 2, alarms: 2, exports: 2 },
  },
  prod: {
    natGateways: 2,
    production: true,
    database: { instanceType: 'm7g.large', storageGb: 200, maxStorageGb: 2000, backupDays: 14 },
    cacheNodeType: 'cache.t4g.medium',
    hotRetentionDays: 30,
    historyRetentionDays: 730,
    logRetention: RetentionDays.THREE_MONTHS,
    maxConcurrency: { telemetry: 16, lateTelemetry: 4, status: 4, fanOut: 16, alarms: 4, exports: 4 },
    apiConcurrency: 100,
  },
} as const satisfies Record<string, StageSettings>

export interface Firebase {
  projectId: string
  /** Public: it names the project to Google's servers and opens nothing by itself. */
  apiKey: string
  authDomain: string
}

/** A project whose name begins with `demo-` cannot exist at Google: until a real one is named, nobody can sign in. */
export const DEMO_FIREBASE_PROJECT = 'demo-iot-telemetry'

/** Of a domain that nobody can have: until a real one is named, no alarm is mailed. */
export const DEMO_MAIL_FROM = 'alarms@iot-telemetry.example'

export interface Settings extends StageSettings {
  stage: string
  /** Sender of the mails about alarms; its domain is a verified identity of SES. */
  mailFrom: string
  /** Origin of the page, which mails lead to: the output WebUrl, or a domain in front of it. Absent: they lead nowhere. */
  pageUrl?: string
  ingest: Batching
  firebase: Firebase
  /** Slugs of companies whose analysts may read their part of the archive, with the id of their AWS account. */
  analysts: Record<string, string>
  /** Where alarms of the stage are told; AWS asks the address to confirm. Absent: nobody is told. */
  alarmEmail?: string
  /** The web ACL that the Edge stack has made in us-east-1; absent: the page has none. */
  webAclArn?: string
  /** `owner/name` of the repository whose jobs may deploy; absent: there is no stack for them. */
  githubRepository?: string
}

const WEB_ACL_ARN = /^arn:aws[\w-]*:wafv2:us-east-1:\d{12}:global\/webacl\/\S+$/

/**
 * The settings of context `stage` (dev when absent), with `ingestProfile`, `mailFrom`, `pageUrl`, `firebaseProjectId`, `firebaseApiKey`,
 * `analysts`, `alarmEmail`, `webAclArn` and `githubRepository` over them. Throws, naming what is allowed, when a name is unknown.
 */
export function settingsFrom(context: (key: string) => unknown): Settings {
  const stage = choose('stage', context('stage') ?? 'dev', STAGES)
  const profile = choose('ingestProfile', context('ingestProfile') ?? 'live', INGEST_PROFILES)
  const projectId = text('firebaseProjectId', context('firebaseProjectId') ?? DEMO_FIREBASE_PROJECT)
  const alarmEmail = optional('alarmEmail', context)
  const webAclArn = optional('webAclArn', context)
  const pageUrl = optional('pageUrl', context)
  if (pageUrl !== undefined && !/^https:\/\/[\w.-]+$/.test(pageUrl))
    throw new Error(`context pageUrl=${pageUrl} must be an origin: https:// and a host, and nothing after it`)
  const githubRepository = optional('githubRepository', context)
  if (githubRepository !== undefined && !/^[\w.-]+\/[\w.-]+$/.test(githubRepository))
    throw new Error(`context githubRepository=${githubRepository} must be OWNER/NAME`)
  if (webAclArn !== undefined && !WEB_ACL_ARN.test(webAclArn))
    throw new Error(
      `context webAclArn=${webAclArn} is not the ARN of a web ACL for CloudFront (output WebAclArn of the Edge stack)`,
    )
  return {
    ...STAGES[stage],
    stage,
    ingest: INGEST_PROFILES[profile],
    mailFrom: address('mailFrom', context('mailFrom') ?? DEMO_MAIL_FROM),
    firebase: {
      projectId,
      apiKey: text('firebaseApiKey', context('firebaseApiKey') ?? 'demo-api-key'),
      authDomain: `${projectId}.firebaseapp.com`,
    },
    analysts: analysts(context('analysts') ?? ''),
    ...(alarmEmail !== undefined && { alarmEmail }),
    ...(webAclArn !== undefined && { webAclArn }),
    ...(pageUrl !== undefined && { pageUrl }),
    ...(githubRepository !== undefined && { githubRepository }),
  }
}

function choose<T extends object>(key: string, value: unknown, choices: T): keyof T & string {
  const names = Object.keys(choices) as (keyof T & string)[]
  const chosen = names.find((name) => name === value)
  if (chosen === undefined)
    throw new Error(`context ${key}=${String(value)} is not one of ${names.join(', ')} (cdk -c ${key}=${names[0]!})`)
  return chosen
}

function optional(key: string, context: (key: string) => unknown): string | undefined {
  const value = context(key)
  return value === undefined ? undefined : text(key, value)
}

function address(key: string, value: unknown): string {
  const found = text(key, value)
  if (!/^[^@\s]+@[^@\s]+$/.test(found))
    throw new Error(`context ${key}=${found} is no e-mail address (cdk -c ${key}=…)`)
  return found
}

function text(key: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new Error(`context ${key} must be a text (cdk -c ${key}=…)`)
  return value
}

/** `granix:111122223333,norpan:444455556666` */
function analysts(value: unknown): Record<string, string> {
  const entries = typeof value === 'string' ? value.split(',').filter((entry) => entry !== '') : [String(value)]
  return Object.fromEntries(
    entries.map((entry) => {
      const [, tenant, account] = /^([a-z0-9][a-z0-9-]{0,62}):(\d{12})$/.exec(entry) ?? []
      if (tenant === undefined || account === undefined)
        throw new Error(`context analysts=${entry} must be TENANT:ACCOUNT,… (cdk -c analysts=granix:111122223333)`)
      return [tenant, account]
    }),
  )
}
