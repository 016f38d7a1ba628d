import * as v from 'valibot'
import type { Assembly } from './assembly.ts'

const SqsAction = v.strictObject({
  Sqs: v.strictObject({ QueueUrl: v.string(), RoleArn: v.unknown(), UseBase64: v.optional(v.literal(false)) }),
})

const RuleProperties = v.strictObject({
  RuleName: v.string(),
  TopicRulePayload: v.strictObject({
    Sql: v.string(),
    AwsIotSqlVersion: v.literal('2016-03-23'),
    Actions: v.array(SqsAction),
    ErrorAction: v.optional(SqsAction),
    Description: v.optional(v.string()),
    RuleDisabled: v.optional(v.boolean(), false),
  }),
  Tags: v.optional(v.unknown()),
})

export interface RuleSettings {
  name: string
  sql: string
  queueName: string
  errorQueueName: string | undefined
}

/** One entry per rule and action. */
export function readRules(assembly: Assembly): RuleSettings[] {
  return assembly
    .resources('AWS::IoT::TopicRule')
    .map(({ properties }) => v.parse(RuleProperties, properties))
    .filter((rule) => !rule.TopicRulePayload.RuleDisabled)
    .flatMap(({ RuleName, TopicRulePayload: { Sql, Actions, ErrorAction } }) =>
      Actions.map((action) => ({
        name: RuleName,
        sql: Sql,
        queueName: queueOf(action),
        errorQueueName: ErrorAction && queueOf(ErrorAction),
      })),
    )
}

const queueOf = (action: v.InferOutput<typeof SqsAction>) => action.Sqs.QueueUrl.split('/').at(-1)!
