/** What is ours at AWS IoT and belongs to no gateway. */
import {
  DescribeThingCommand,
  GetPolicyCommand,
  type IoTClient,
  ListTargetsForPolicyCommand,
  ListThingPrincipalsCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-iot'
import { parseStatusTopic } from '../../schemas/topics.ts'
import { gatewayPolicyDocument } from '../gateways/policy-document.ts'
import { deletePolicy, deleteThing } from '../gateways/thing-and-policy.ts'
import { logger } from '../runtime/frame.ts'

/** `gone`: somebody else was faster, or it is not ours. */
export type Removal = 'removed' | 'unknown' | 'unrepaired' | 'gone'

/** With its policy, unless it has a certificate. */
export const removeThing = (iot: IoTClient, thingName: string): Promise<Removal> =>
  logged('Thing', thingName, async () => {
    const { principals = [] } = await iot.send(new ListThingPrincipalsCommand({ thingName }))
    if (principals.length > 0) return 'unknown'
    await deletePolicy(iot, thingName)
    await deleteThing(iot, thingName)
    return 'removed'
  })

/**
 * A policy without a Thing, unless it is attached to something. It has no mark of its own, and AWS lists no tags: it is ours
 * when it says, character by character, what a gateway of its name would get.
 */
export const removePolicy = (iot: IoTClient, policyName: string): Promise<Removal> =>
  logged('policy', policyName, async () => {
    const { policyDocument, policyArn } = await iot.send(new GetPolicyCommand({ policyName }))
    if (!isGatewayPolicy(policyName, policyArn, policyDocument)) return 'gone'
    if (await hasThing(iot, policyName)) return 'gone'
    const { targets = [] } = await iot.send(new ListTargetsForPolicyCommand({ policyName }))
    if (targets.length > 0) return 'unknown'
    await deletePolicy(iot, policyName)
    return 'removed'
  })

function isGatewayPolicy(name: string, arn = '', document = ''): boolean {
  const topic = /:topic\/(ops\/[^"]+)"/.exec(document)?.[1]
  const address = topic === undefined ? undefined : parseStatusTopic(topic)
  if (address?.thingName !== name) return false
  return document === gatewayPolicyDocument(arn.split(':').slice(0, 5).join(':'), address)
}

/** Made meanwhile, of another stage, or not seen by the list. */
async function hasThing(iot: IoTClient, thingName: string): Promise<boolean> {
  try {
    await iot.send(new DescribeThingCommand({ thingName }))
    return true
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return false
    throw error
  }
}

async function logged(what: string, name: string, remove: () => Promise<Removal>): Promise<Removal> {
  try {
    const removal = await remove()
    if (removal === 'removed') logger.warn(`A ${what} that no gateway has was removed from AWS IoT`, { name })
    return removal
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return 'gone'
    logger.error(`A ${what} that no gateway has could not be removed from AWS IoT`, { name, error })
    return 'unrepaired'
  }
}
