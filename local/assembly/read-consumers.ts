/** What invokes functions without anybody asking: queues, schedules, and triggers at deployment. */
import * as v from 'valibot'
import type { EventSourceSettings } from '../sqs/event-source.ts'
import type { Assembly } from './assembly.ts'

const Mapping = v.strictObject({
  EventSourceArn: v.string(),
  FunctionName: v.string(),
  BatchSize: v.optional(v.number(), 10),
  MaximumBatchingWindowInSeconds: v.optional(v.number(), 0),
  FunctionResponseTypes: v.optional(v.array(v.literal('ReportBatchItemFailures')), []),
  ScalingConfig: v.optional(v.object({ MaximumConcurrency: v.number() })),
  Enabled: v.optional(v.boolean(), true),
  Tags: v.optional(v.unknown()),
})

/** Without a limit of its own a source grows to the function's; five pollers are what AWS begins with. */
const DEFAULT_CONCURRENCY = 5

export function readEventSources(
  assembly: Assembly,
): { queueName: string; functionName: string; settings: EventSourceSettings }[] {
  return assembly
    .resources('AWS::Lambda::EventSourceMapping')
    .map(({ properties }) => v.parse(Mapping, properties))
    .filter((mapping) => mapping.Enabled)
    .map((mapping) => ({
      queueName: lastPart(mapping.EventSourceArn),
      functionName: lastPart(mapping.FunctionName),
      settings: {
        batchSize: mapping.BatchSize,
        windowSec: mapping.MaximumBatchingWindowInSeconds,
        reportsItemFailures: mapping.FunctionResponseTypes.length > 0,
        maxConcurrency: mapping.ScalingConfig?.MaximumConcurrency ?? DEFAULT_CONCURRENCY,
      },
    }))
}

const UNIT_MS: Record<string, number> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }

const Schedule = v.strictObject({
  Name: v.optional(v.string()),
  Description: v.optional(v.string()),
  ScheduleExpression: v.pipe(
    v.string(),
    v.regex(/^rate\(\d+ (minute|hour|day)s?\)$/, 'local/ knows only rate(…) schedules'),
    v.transform((text) => {
      const [, count, unit] = /^rate\((\d+) ([a-z]+?)s?\)$/.exec(text)!
      return Number(count) * UNIT_MS[unit!]!
    }),
  ),
  State: v.optional(v.picklist(['ENABLED', 'DISABLED']), 'ENABLED'),
  Targets: v.array(v.object({ Arn: v.string(), Input: v.optional(v.string(), '{}') })),
  Tags: v.optional(v.unknown()),
})

/** What AWS does with an invocation that nobody waits for, and that fails. */
const InvokeConfig = v.strictObject({
  FunctionName: v.string(),
  Qualifier: v.literal('$LATEST'),
  MaximumRetryAttempts: v.literal(0, 'local/ does not repeat what fails'),
})

/** Throws when a function would be run again by AWS after a failure, which this cloud does not do. */
export function readSchedules(assembly: Assembly): { everyMs: number; functionName: string; input: unknown }[] {
  const notRepeated = assembly
    .resources('AWS::Lambda::EventInvokeConfig')
    .map(({ properties }) => v.parse(InvokeConfig, properties).FunctionName)
  const schedules = assembly
    .resources('AWS::Events::Rule')
    .map(({ properties }) => v.parse(Schedule, properties))
    .filter((rule) => rule.State === 'ENABLED')
    .flatMap((rule) =>
      rule.Targets.map(({ Arn, Input }) => ({
        everyMs: rule.ScheduleExpression,
        functionName: lastPart(Arn),
        input: JSON.parse(Input) as unknown,
      })),
    )
  const repeated = schedules.filter(({ functionName }) => !notRepeated.includes(functionName))
  if (repeated.length > 0)
    throw new Error(
      `AWS would repeat what fails of ${repeated.map(({ functionName }) => functionName).join(', ')}; local/ does not: set retryAttempts to 0`,
    )
  return schedules
}

/** Functions that run at each deployment, before anything else uses the database. */
export function readTriggers(assembly: Assembly): string[] {
  return assembly.resources('Custom::Trigger').map(({ properties }) => {
    // The ARN of a version: arn:…:function:name:1
    return v.parse(v.string(), properties.HandlerArn).split(':').at(-2)!
  })
}

const lastPart = (arnOrName: string) => arnOrName.split(':').at(-1)!
