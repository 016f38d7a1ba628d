import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import { CfnWebACL } from 'aws-cdk-lib/aws-wafv2'
import type { Construct } from 'constructs'

/** Per address and five minutes. A factory's people may all come from one. */
const MOST_REQUESTS = 20_000

/**
 * Rules of AWS for what reaches CloudFront. A body is counted and not refused: dead letters and reasons of people may hold
 * anything, and the API bounds and parses each.
 */
const MANAGED = [
  { name: 'AWSManagedRulesAmazonIpReputationList', counted: [] },
  { name: 'AWSManagedRulesKnownBadInputsRuleSet', counted: [] },
  {
    name: 'AWSManagedRulesCommonRuleSet',
    counted: ['SizeRestrictions_BODY', 'CrossSiteScripting_BODY', 'GenericLFI_BODY', 'GenericRFI_BODY'],
  },
]

/**
 * The web ACL of CloudFront, which AWS takes in us-east-1 only. The distribution learns of it by the context `webAclArn`.
 * An HTTP API cannot have one: its own address is bounded by its throttle and by our rate limits.
 */
export class EdgeStack extends Stack {
  constructor(scope: Construct, id: string, props: StackProps) {
    super(scope, id, props)
    const seen = (metricName: string) => ({
      metricName,
      cloudWatchMetricsEnabled: true,
      sampledRequestsEnabled: true,
    })
    const acl = new CfnWebACL(this, 'WebAcl', {
      scope: 'CLOUDFRONT',
      defaultAction: { allow: {} },
      visibilityConfig: seen('iot-telemetry'),
      rules: [
        {
          name: 'TooManyRequests',
          priority: 0,
          action: { block: {} },
          statement: { rateBasedStatement: { aggregateKeyType: 'IP', limit: MOST_REQUESTS } },
          visibilityConfig: seen('TooManyRequests'),
        },
        ...MANAGED.map(({ name, counted }, index) => ({
          name,
          priority: index + 1,
          overrideAction: { none: {} },
          statement: {
            managedRuleGroupStatement: {
              vendorName: 'AWS',
              name,
              ruleActionOverrides: counted.map((rule) => ({ name: rule, actionToUse: { count: {} } })),
            },
          },
          visibilityConfig: seen(name),
        })),
      ],
    })
    new CfnOutput(this, 'WebAclArn', { value: acl.attrArn })
  }
}
