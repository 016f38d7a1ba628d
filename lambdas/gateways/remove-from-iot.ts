import {
  DescribeThingCommand,
  GetPolicyCommand,
  type IoTClient,
  ListTargetsForPolicyCommand,
  ListThingPrincipalsCommand,
  ResourceNotFoundException,
} from '@aws-sdk/client-iot'
import { certificatesOfKey, findCertificate, removeCertificate } from './certificate.ts'
import { ignoringAbsence } from './ignoring-absence.ts'
import { deletePolicy, deleteThing } from './thing-and-policy.ts'

/** What our table says of a certificate: without an id AWS IoT may have made one since `requestedAt` (epoch ms). */
export interface NotedCertificate {
  id: string | null
  keyHash: Buffer
  requestedAt: number
}

/**
 * Everything of a gateway at AWS IoT, whatever state it is in: the certificates that are noted, or attached to its Thing or to
 * its policy, then both. Repeatable. Throws when AWS still has the Thing or the policy afterwards.
 */
export async function removeFromIot(iot: IoTClient, thingName: string, noted: NotedCertificate[]): Promise<void> {
  const arns = await attachedCertificates(iot, thingName)
  for (const { id, keyHash, requestedAt } of noted) {
    const found = id === null ? await certificatesOfKey(iot, keyHash, requestedAt) : [await findCertificate(iot, id)]
    for (const certificate of found) if (certificate !== undefined) arns.add(certificate.arn)
  }
  for (const arn of arns) await removeCertificate(iot, thingName, { id: arn.split('/').at(-1)!, arn })
  await deletePolicy(iot, thingName)
  await deleteThing(iot, thingName)
  const policy = await isThere(() => iot.send(new GetPolicyCommand({ policyName: thingName })))
  const thing = await isThere(() => iot.send(new DescribeThingCommand({ thingName })))
  if (policy || thing) throw new Error(`AWS IoT still has the ${policy ? 'policy' : 'Thing'} ${thingName}`)
}

async function attachedCertificates(iot: IoTClient, name: string): Promise<Set<string>> {
  const arns = new Set<string>()
  await ignoringAbsence(async () => {
    const { principals = [] } = await iot.send(new ListThingPrincipalsCommand({ thingName: name }))
    for (const arn of principals) arns.add(arn)
  })
  await ignoringAbsence(async () => {
    const { targets = [] } = await iot.send(new ListTargetsForPolicyCommand({ policyName: name }))
    for (const arn of targets) arns.add(arn)
  })
  return arns
}

async function isThere(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call()
    return true
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return false
    throw error
  }
}
