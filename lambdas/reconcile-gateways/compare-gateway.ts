/** A gateway's policy and what is attached to it and to its Thing at AWS IoT, against what Postgres says. */
import {
  DetachPolicyCommand,
  DetachThingPrincipalCommand,
  GetPolicyCommand,
  type IoTClient,
  ListTargetsForPolicyCommand,
  ListThingPrincipalsCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-iot'
import type { ReconciledGateway } from '../data/gateways-to-reconcile.ts'
import { attachCertificate, removeCertificate } from '../gateways/certificate.ts'
import { gatewayPolicyDocument } from '../gateways/policy-document.ts'
import { putPolicy } from '../gateways/thing-and-policy.ts'

/** Of certificates the ARNs. */
export interface Faults {
  isOtherPolicy: boolean
  /** On its Thing or its policy, and not its own: they could connect under its name, or publish in its place. */
  strangers: string[]
  /** Its own and valid, and not on both: it cannot connect. */
  detached: string[]
}

/** Undefined when there are none, or it is gone meanwhile. `active`: ids of AWS IoT's certificates. Three calls. */
export async function faultsOf(
  iot: IoTClient,
  arnPrefix: string,
  active: ReadonlySet<string>,
  gateway: ReconciledGateway,
): Promise<Faults | undefined> {
  const { thingName, certificateIds, validCertificateIds, isAsking } = gateway
  try {
    const { policyDocument } = await iot.send(new GetPolicyCommand({ policyName: thingName }))
    const { principals = [] } = await iot.send(new ListThingPrincipalsCommand({ thingName }))
    const { targets = [] } = await iot.send(new ListTargetsForPolicyCommand({ policyName: thingName }))
    const isOtherPolicy = policyDocument !== gatewayPolicyDocument(arnPrefix, gateway)
    // While it asks for a certificate, one that is not noted yet may be that.
    const strangers = [...new Set([...principals, ...targets])].filter(
      (arn) => !isAsking && !certificateIds.includes(idOf(arn)),
    )
    const detached = validCertificateIds
      .filter((id) => active.has(id))
      .map((id) => `${arnPrefix}:cert/${id}`)
      .filter((arn) => !principals.includes(arn) || !targets.includes(arn))
    return isOtherPolicy || strangers.length > 0 || detached.length > 0
      ? { isOtherPolicy, strangers, detached }
      : undefined
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined
    throw error
  }
}

/** Run it with the gateway's lease. A stranger that is another gateway's own (`ofOthers`) is detached, and else ended. */
export async function mend(
  iot: IoTClient,
  arnPrefix: string,
  gateway: ReconciledGateway,
  { isOtherPolicy, strangers, detached }: Faults,
  ofOthers: ReadonlySet<string>,
): Promise<void> {
  const { thingName } = gateway
  for (const arn of strangers) {
    if (ofOthers.has(idOf(arn))) {
      await iot.send(new DetachThingPrincipalCommand({ thingName, principal: arn }))
      await iot.send(new DetachPolicyCommand({ policyName: thingName, target: arn }))
    } else await removeCertificate(iot, thingName, { id: idOf(arn), arn })
  }
  if (isOtherPolicy) await putPolicy(iot, arnPrefix, gateway)
  for (const arn of detached) await attachCertificate(iot, thingName, { arn })
}

const idOf = (arn: string) => arn.split('/').at(-1)!
