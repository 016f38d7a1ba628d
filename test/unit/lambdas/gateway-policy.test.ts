import { describe, expect, it } from 'vitest'
import { gatewayPolicyDocument, MAX_POLICY_CHARACTERS } from '../../../lambdas/gateways/policy-document.ts'

const ARN = 'arn:aws:iot:us-east-1:123456789012'

describe('gatewayPolicyDocument', () => {
  it('allows to connect as itself, to publish its plant’s telemetry and its own status, and nothing else', () => {
    const gateway = { tenant: 'granix', province: 'ba', plant: 'any', thingName: 'granix-ba-gateway-1' }
    const status = `${ARN}:topic/ops/granix/ba/any/gateway/granix-ba-gateway-1/status`
    expect(JSON.parse(gatewayPolicyDocument(ARN, gateway))).toEqual({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: 'iot:Connect',
          Resource: `${ARN}:client/\${iot:Connection.Thing.ThingName}`,
          Condition: { Bool: { 'iot:Connection.Thing.IsAttached': 'true' } },
        },
        {
          Effect: 'Allow',
          Action: 'iot:Publish',
          Resource: [`${ARN}:topic/factory/granix/ba/any/*/telemetry`, status],
        },
        { Effect: 'Allow', Action: 'iot:RetainPublish', Resource: status },
      ],
    })
  })

  it('stays below what AWS takes with the longest names, in the partition with the longest name', () => {
    const long = 'x'.repeat(63)
    const gateway = { tenant: long, province: long, plant: long, thingName: 'y'.repeat(128) }
    const document = gatewayPolicyDocument('arn:aws-us-gov:iot:us-gov-east-1:123456789012', gateway)
    expect(document.length).toBeLessThan(MAX_POLICY_CHARACTERS)
  })

  it.each(['*', '+', '#', 'a/b', '${x}'])('refuses a slug %s that could widen it', (plant) => {
    const gateway = { tenant: 'granix', province: 'ba', plant, thingName: 'g' }
    expect(() => gatewayPolicyDocument(ARN, gateway)).toThrow()
  })
})
