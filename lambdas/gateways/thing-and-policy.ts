/**
 * The AWS IoT side of a gateway before its enrolment: a Thing and a policy, both named after the gateway. The names
 * make a repeated call recognise what an earlier one has made; the certificate comes with the enrolment.
 */
import {
  CreatePolicyCommand,
  CreateThingCommand,
  DeletePolicyCommand,
  DeleteThingCommand,
  GetPolicyCommand,
  ResourceAlreadyExistsException,
  type IoTClient,
} from '@aws-sdk/client-iot'
import type { GatewayAddress } from '../../schemas/topics.ts'
import { ignoringAbsence } from './ignoring-absence.ts'
import { gatewayPolicyDocument } from './policy-document.ts'

/** Returns the start of every ARN of this account and region: `arn:{partition}:iot:{region}:{account}`. */
export async function createThing(iot: IoTClient, thingName: string): Promise<string> {
  // AWS answers the same for a Thing that exists as it is asked for.
  const { thingArn } = await iot.send(new CreateThingCommand({ thingName }))
  if (thingArn === undefined) throw new Error(`CreateThing gave no ARN for ${thingName}`)
  return thingArn.split(':').slice(0, 5).join(':')
}

/** A policy of that name left by a gateway that stood elsewhere is replaced; one that is still in use cannot be, and throws. */
export async function createPolicy(iot: IoTClient, arnPrefix: string, gateway: GatewayAddress): Promise<void> {
  const policyName = gateway.thingName
  const policyDocument = gatewayPolicyDocument(arnPrefix, gateway)
  const create = new CreatePolicyCommand({ policyName, policyDocument })
  try {
    await iot.send(create)
  } catch (error) {
    if (!(error instanceof ResourceAlreadyExistsException)) throw error
    const existing = await iot.send(new GetPolicyCommand({ policyName }))
    if (existing.policyDocument === policyDocument) return
    await iot.send(new DeletePolicyCommand({ policyName }))
    await iot.send(create)
  }
}

export function deletePolicy(iot: IoTClient, policyName: string): Promise<void> {
  return ignoringAbsence(() => iot.send(new DeletePolicyCommand({ policyName })))
}

export function deleteThing(iot: IoTClient, thingName: string): Promise<void> {
  return ignoringAbsence(() => iot.send(new DeleteThingCommand({ thingName })))
}
