import { describe, expect, it } from 'vitest'
import { resource, resources, synthesize } from './templates.ts'

interface RuleProperties {
  RuleName: string
  TopicRulePayload: {
    Sql: string
    AwsIotSqlVersion: string
    Actions: { Sqs: { QueueUrl: { Ref: string }; RoleArn: { 'Fn::GetAtt': [string, string] }; UseBase64: boolean } }[]
    ErrorAction: { Sqs: { QueueUrl: { Ref: string } } }
  }
}

const ENVELOPE =
  "SELECT encode(*, 'base64') AS payload, topic() AS topic, clientid() AS clientId, timestamp() AS receivedAt, traceid() AS traceId"

describe('IoT rules', () => {
  const templates = synthesize()

  const older = (ageMs: number) =>
    `get_or_default(timestamp() - get(decode(encode(*, 'base64'), 'base64'), 'timestamp') > ${ageMs}, false)`

  it.each([
    ['Telemetry', `${ENVELOPE} FROM 'factory/+/+/+/+/telemetry' WHERE NOT ${older(61_000)}`],
    ['LateTelemetry', `${ENVELOPE} FROM 'factory/+/+/+/+/telemetry' WHERE ${older(60_000)}`],
    ['Status', `${ENVELOPE} FROM 'ops/+/+/+/gateway/+/status'`],
  ])('%s: wraps publishes and sends them to a queue of its own', (name, sql) => {
    const { RuleName, TopicRulePayload: rule } = resource<RuleProperties>(
      templates,
      'AWS::IoT::TopicRule',
      name,
    ).properties
    expect(rule.Sql).toBe(sql)
    expect(rule.AwsIotSqlVersion).toBe('2016-03-23')
    expect(rule.Actions).toHaveLength(1)
    expect(rule.Actions[0]?.Sqs.UseBase64).toBe(false)
    expect(rule.Actions[0]?.Sqs.QueueUrl.Ref).toMatch(new RegExp(`^${name}Queue[0-9A-F]{8}$`))
    expect(rule.ErrorAction.Sqs.QueueUrl.Ref).toMatch(/^RuleErrors[0-9A-F]{8}$/)
    expect(RuleName).toMatch(/^[a-zA-Z0-9_]{1,128}$/)
  })

  it('have a role each, which only its rule can take', () => {
    const rules = resources<RuleProperties>(templates, 'AWS::IoT::TopicRule')
    const roles = rules.map(({ properties }) => properties.TopicRulePayload.Actions[0]?.Sqs.RoleArn['Fn::GetAtt'][0])
    expect(new Set(roles).size).toBe(3)
    for (const [index, { properties }] of rules.entries()) {
      const role = resource(templates, 'AWS::IAM::Role', roles[index])
      expect(JSON.stringify(role.properties['AssumeRolePolicyDocument'])).toContain(`:rule/${properties.RuleName}`)
    }
  })
})
