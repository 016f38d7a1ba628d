import { Aws, Stack } from 'aws-cdk-lib'
import { PolicyDocument, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { CfnTopicRule } from 'aws-cdk-lib/aws-iot'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { maySend } from './queue-consumer.ts'

/**
 * The queue envelope (schemas/queues.ts). The payload is wrapped, not read: bytes that are not JSON still arrive and are
 * judged by our code, instead of vanishing in the rules engine.
 */
const ENVELOPE = [
  "encode(*, 'base64') AS payload",
  'topic() AS topic',
  'clientid() AS clientId',
  'timestamp() AS receivedAt',
  'traceid() AS traceId',
].join(', ')

export interface TopicRuleProps {
  /** Letters, digits and underscores; unique in the account and region. */
  name: string
  description: string
  filter: string
  /** Condition of the rules' SQL; absent: every publish. */
  where?: string
  queue: IQueue
  /** Gets what could not be delivered to `queue`. */
  errors: IQueue
}

/** Sends the publishes that a topic filter and a condition match to a queue, with a role that can do only that. */
export class TopicRule extends Construct {
  constructor(scope: Construct, id: string, { name, description, filter, where, queue, errors }: TopicRuleProps) {
    super(scope, id)
    const role = new Role(this, 'Role', {
      description,
      assumedBy: new ServicePrincipal('iot.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
          ArnEquals: {
            'aws:SourceArn': Stack.of(this).formatArn({ service: 'iot', resource: 'rule', resourceName: name }),
          },
        },
      }),
      inlinePolicies: { send: new PolicyDocument({ statements: [maySend(queue), maySend(errors)] }) },
    })
    const toQueue = (target: IQueue) => ({
      sqs: { queueUrl: target.queueUrl, roleArn: role.roleArn, useBase64: false },
    })
    new CfnTopicRule(this, 'Rule', {
      ruleName: name,
      topicRulePayload: {
        description,
        sql: `SELECT ${ENVELOPE} FROM '${filter}'${where === undefined ? '' : ` WHERE ${where}`}`,
        awsIotSqlVersion: '2016-03-23',
        actions: [toQueue(queue)],
        errorAction: toQueue(errors),
        ruleDisabled: false,
      },
    })
  }
}
