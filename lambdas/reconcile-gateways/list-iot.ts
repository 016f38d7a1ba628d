import {
  type IoTClient,
  ListCertificatesCommand,
  type ListCertificatesCommandOutput,
  ListPoliciesCommand,
  ListThingsCommand,
} from '@aws-sdk/client-iot'
import { OURS } from '../gateways/thing-and-policy.ts'

/** The most that AWS IoT lists at once. */
const PAGE_SIZE = 250

export interface IotInventory {
  /** `arn:{partition}:iot:{region}:{account}`; undefined where there is no policy at all. */
  arnPrefix: string | undefined
  /** Those of this stage. */
  things: Set<string>
  /** Those of others, and of other stages. */
  otherThings: Set<string>
  /** Ours and those of others. */
  policies: Set<string>
  /** Ids, of ours and of others'. */
  activeCertificates: Set<string>
}

export async function listIot(iot: IoTClient, stage: string): Promise<IotInventory> {
  const things = new Set<string>()
  const otherThings = new Set<string>()
  const policies = new Set<string>()
  const activeCertificates = new Set<string>()
  let arnPrefix: string | undefined
  let nextToken: string | undefined
  do {
    const page = await iot.send(new ListThingsCommand({ maxResults: PAGE_SIZE, nextToken }))
    for (const { thingName, attributes } of page.things ?? []) {
      if (attributes?.[OURS] === stage) things.add(thingName!)
      else otherThings.add(thingName!)
    }
    nextToken = page.nextToken
  } while (nextToken !== undefined)
  let marker: string | undefined
  do {
    const page = await iot.send(new ListPoliciesCommand({ pageSize: PAGE_SIZE, marker }))
    for (const { policyName, policyArn } of page.policies ?? []) {
      policies.add(policyName!)
      arnPrefix = policyArn!.split(':').slice(0, 5).join(':')
    }
    marker = page.nextMarker
  } while (marker !== undefined)
  do {
    const page: ListCertificatesCommandOutput = await iot.send(
      new ListCertificatesCommand({ pageSize: PAGE_SIZE, ascendingOrder: false, marker }),
    )
    for (const { certificateId, status } of page.certificates ?? []) {
      if (status === 'ACTIVE') activeCertificates.add(certificateId!)
    }
    marker = page.nextMarker
  } while (marker !== undefined)
  return { arnPrefix, things, otherThings, policies, activeCertificates }
}
