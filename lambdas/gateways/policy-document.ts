import { statusTopic, telemetryTopic, type GatewayAddress } from '../../schemas/topics.ts'

/** AWS IoT refuses a longer one. */
export const MAX_POLICY_CHARACTERS = 2048

/**
 * The only things a gateway may do: connect as itself with its own certificate attached, and publish its own plant's
 * telemetry and its own status (the one that is retained, by itself and as a will).
 * In a policy only `*` is a wildcard; slugs hold neither that nor `$`, so that none can widen it.
 *
 * @param arnPrefix `arn:{partition}:iot:{region}:{account}`
 */
export function gatewayPolicyDocument(arnPrefix: string, gateway: GatewayAddress): string {
  const { tenant, province, plant, thingName } = gateway
  const telemetry = telemetryTopic({ tenant, province, plant, machine: 'any' }).replace(
    /any\/telemetry$/,
    '*/telemetry',
  )
  const ownStatus = `${arnPrefix}:topic/${statusTopic({ tenant, province, plant, thingName })}`
  const document = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: 'iot:Connect',
        Resource: `${arnPrefix}:client/\${iot:Connection.Thing.ThingName}`,
        Condition: { Bool: { 'iot:Connection.Thing.IsAttached': 'true' } },
      },
      { Effect: 'Allow', Action: 'iot:Publish', Resource: [`${arnPrefix}:topic/${telemetry}`, ownStatus] },
      { Effect: 'Allow', Action: 'iot:RetainPublish', Resource: ownStatus },
    ],
  })
  if (document.length > MAX_POLICY_CHARACTERS) {
    throw new Error(`The policy of ${thingName} has ${document.length} characters`)
  }
  return document
}
