/**
 * The AWS IoT side of a gateway before its enrolment: a Thing and a policy, both named after the gateway. The names
 * make a repeated call recognise what an earlier one has made; the certificate comes with the enrolment.
 */
import {
  CreatePolicyCommand,
  CreatePolicyVersionCommand,
  CreateThingCommand,
  DeletePolicyCommand,
  DeletePolicyVersionCommand,
  DeleteThingCommand,
  GetPolicyCommand,
  ListPolicyVersionsCommand,
  ResourceAlreadyExistsException,
  type IoTClient,
} from '@aws-sdk/client-iot'
import type { GatewayAddress } from '../../schemas/topics.ts'
import { ignoringAbsence } from './ignoring-absence.ts'
import { onceDetached } from './once-detached.ts'
import { gatewayPolicyDocument } from './policy-document.ts'

/** Attribute of our Things: an account may hold others', and those of another stage. Its value is the stage. */
export const OURS = 'iot-telemetry-stage'

/** AWS IoT has a Thing of that name, and it is not one of this stage. */
export class ThingOfOthers extends Error {
  override name = 'ThingOfOthers'
}

/**
 * Returns the start of every ARN of this account and region: `arn:{partition}:iot:{region}:{account}`.
 * Throws ThingOfOthers.
 */
export async function createThing(iot: IoTClient, stage: string, thingName: string): Promise<string> {
  const attributePayload = { attributes: { [OURS]: stage } }
  try {
    // AWS answers the same for a Thing that exists as it is asked for, and refuses when its attributes are others.
    const { thingArn } = await iot.send(new CreateThingCommand({ thingName, attributePayload }))
    if (thingArn === undefined) throw new Error(`CreateThing gave no ARN for ${thingName}`)
    return thingArn.split(':').slice(0, 5).join(':')
  } catch (error) {
    if (!(error instanceof ResourceAlreadyExistsException)) throw error
    throw new ThingOfOthers(`AWS IoT has a Thing ${thingName} of others`, { cause: error })
  }
}

/** A policy of that name that says something else gets a new version, which holds at once for what it is attached to. */
export async function putPolicy(iot: IoTClient, arnPrefix: string, gateway: GatewayAddress): Promise<void> {
  const policyName = gateway.thingName
  const policyDocument = gatewayPolicyDocument(arnPrefix, gateway)
  try {
    await iot.send(new CreatePolicyCommand({ policyName, policyDocument }))
  } catch (error) {
    if (!(error instanceof ResourceAlreadyExistsException)) throw error
    const existing = await iot.send(new GetPolicyCommand({ policyName }))
    if (existing.policyDocument === policyDocument) return
    // AWS keeps five versions: one is enough, and what an earlier call has left must not be in the way.
    await deleteOldVersions(iot, policyName)
    await iot.send(new CreatePolicyVersionCommand({ policyName, policyDocument, setAsDefault: true }))
    await deleteOldVersions(iot, policyName)
  }
}

async function deleteOldVersions(iot: IoTClient, policyName: string): Promise<void> {
  const { policyVersions = [] } = await iot.send(new ListPolicyVersionsCommand({ policyName }))
  for (const { versionId: policyVersionId, isDefaultVersion } of policyVersions) {
    if (!isDefaultVersion) await iot.send(new DeletePolicyVersionCommand({ policyName, policyVersionId }))
  }
}

/** AWS deletes only a policy that is attached to nothing and has one version. */
export function deletePolicy(iot: IoTClient, policyName: string): Promise<void> {
  return ignoringAbsence(async () => {
    await deleteOldVersions(iot, policyName)
    await onceDetached(() => iot.send(new DeletePolicyCommand({ policyName })))
  })
}

export function deleteThing(iot: IoTClient, thingName: string): Promise<void> {
  return ignoringAbsence(() => onceDetached(() => iot.send(new DeleteThingCommand({ thingName }))))
}
