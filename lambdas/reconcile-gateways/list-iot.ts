import {
  type IoTClient,
  ListCertificatesCommand,
  type ListCertificatesCommandOutput,
  ListPoliciesCommand,
  ListPrincipalThingsCommand,
  ListThingsCommand,
} from '@aws-sdk/client-iot'

/** The most that AWS IoT lists at once. */
const PAGE_SIZE = 250

export interface IotInventory {
  things: Set<string>
  policies: Set<string>
  certificates: { id: string; arn: string }[]
}

/** Names and ids of all that the account has, also of what is not ours. */
export async function listIot(iot: IoTClient): Promise<IotInventory> {
  const inventory: IotInventory = { things: new Set(), policies: new Set(), certificates: [] }
  let nextToken: string | undefined
  do {
    const page = await iot.send(new ListThingsCommand({ maxResults: PAGE_SIZE, nextToken }))
    for (const { thingName } of page.things ?? []) inventory.things.add(thingName!)
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
