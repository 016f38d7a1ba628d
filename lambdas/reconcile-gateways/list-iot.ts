import {
  type IoTClient,
  ListCertificatesCommand,
  type ListCertificatesCommandOutput,
  ListPoliciesCommand,
  ListPrincipalThingsCommand,
  ListThingPrincipalsCommand,
  ListThingsCommand,
} from '@aws-sdk/client-iot'
import { OURS } from '../gateways/thing-and-policy.ts'

/** The most that AWS IoT lists at once. */
const PAGE_SIZE = 250

export interface IotInventory {
  /** Those of this stage only. */
  things: Set<string>
  policies: Set<string>
  certificates: { id: string; arn: string }[]
}

/** Names and ids; of policies and certificates also those that are not ours. */
export async function listIot(iot: IoTClient, stage: string): Promise<IotInventory> {
  const inventory: IotInventory = { things: new Set(), policies: new Set(), certificates: [] }
  let nextToken: string | undefined
  do {
    const page = await iot.send(new ListThingsCommand({ maxResults: PAGE_SIZE, nextToken }))
    for (const { thingName, attributes } of page.things ?? []) {
      if (attributes?.[OURS] === stage) inventory.things.add(thingName!)
    }
    nextToken = page.nextToken
  } while (nextToken !== undefined)
  let marker: string | undefined
  do {
    const page = await iot.send(new ListPoliciesCommand({ pageSize: PAGE_SIZE, marker }))
    for (const { policyName } of page.policies ?? []) inventory.policies.add(policyName!)
    marker = page.nextMarker
  } while (marker !== undefined)
  do {
    const page: ListCertificatesCommandOutput = await iot.send(
      new ListCertificatesCommand({ pageSize: PAGE_SIZE, ascendingOrder: false, marker }),
    )
    for (const { certificateId, certificateArn } of page.certificates ?? []) {
      inventory.certificates.push({ id: certificateId!, arn: certificateArn! })
    }
    marker = page.nextMarker
  } while (marker !== undefined)
  return inventory
}

export async function thingsOf(iot: IoTClient, principal: string): Promise<string[]> {
  const { things = [] } = await iot.send(new ListPrincipalThingsCommand({ principal }))
  return things
}

export async function hasCertificates(iot: IoTClient, thingName: string): Promise<boolean> {
  const { principals = [] } = await iot.send(new ListThingPrincipalsCommand({ thingName }))
  return principals.length > 0
}
