import { type IoTClient, ResourceNotFoundException } from '@aws-sdk/client-iot'
import type { IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane'
import type { Kysely } from 'kysely'
import type { Database } from '../data/database.ts'
import { GatewayBusy, holdingLease, takeLease } from '../data/gateway-lease.ts'
import { endAbandonedCertificates, gatewaysToReconcile, type ReconciledGateway } from '../data/gateways-to-reconcile.ts'
import { removeCertificate } from '../gateways/certificate.ts'
import { eraseGateway, shutOut } from '../gateways/end-gateway.ts'
import { removeEndingCertificates } from '../gateways/remove-certificates.ts'
import { createThing, deletePolicy, deleteThing, putPolicy } from '../gateways/thing-and-policy.ts'
import { logger } from '../runtime/frame.ts'
import { hasCertificates, type IotInventory, listIot, thingsOf } from './list-iot.ts'

/** AWS IoT takes some ten calls a second from an account, and those of people go first: the rest is for the next run. */
const MOST_AT_ONCE = 50

export interface Aws {
  db: Kysely<Database>
  iot: IoTClient
  iotData: IoTDataPlaneClient
  stage: string
}

export interface Differences {
  /** Gateways of which something was finished, made again or taken away. */
  repaired: string[]
  /** Where that failed. */
  unrepaired: string[]
  /** Gateways whose certificate AWS IoT no longer has: only a new enrolment helps. */
  withoutCertificate: string[]
  /** Our Things that no gateway has, without a certificate: removed, and their policies with them. */
  removed: string[]
  /** The same with a certificate, by which something may be connected: a restored database, perhaps. They are left alone. */
  unknown: string[]
}

/**
 * Compares AWS IoT with Postgres. What Postgres says was begun is finished. Of what it does not know, only our Things that hold nothing
 * are removed, which can be made again: a database that has lost its gateways must not take away their certificates. A policy never
 * stands alone: it is made after its Thing and deleted before it.
 */
export async function reconcile(aws: Aws, now: number): Promise<Differences> {
  await endAbandonedCertificates(aws.db, now)
  const inventory = await listIot(aws.iot, aws.stage)
  const gateways = await gatewaysToReconcile(aws.db)
  const intruders = await unknownCertificates(aws.iot, inventory, gateways)

  const outcome: Differences = { repaired: [], unrepaired: [], withoutCertificate: [], removed: [], unknown: [] }
  const work = gateways.filter((gateway) => needsWork(gateway, inventory, intruders)).slice(0, MOST_AT_ONCE)
  for (const gateway of work) {
    const done = await repair(aws, gateway, inventory, intruders.get(gateway.thingName) ?? [])
    if (done !== 'busy') outcome[done].push(gateway.thingName)
  }
  const ids = new Set(inventory.certificates.map(({ id }) => id))
  const names = new Set(gateways.map(({ thingName }) => thingName))
  outcome.withoutCertificate = gateways
    .filter(({ lifecycle }) => lifecycle !== 'created' && lifecycle !== 'revoked')
    .filter(({ certificateIds }) => !certificateIds.some((id) => ids.has(id)))
    .map(({ thingName }) => thingName)
  for (const name of [...inventory.things].filter((thing) => !names.has(thing)).slice(0, MOST_AT_ONCE)) {
    const done = await removeOrphan(aws, name)
    if (done !== 'gone') outcome[done].push(name)
  }
  return outcome
}

async function removeOrphan(aws: Aws, thingName: string): Promise<'removed' | 'unknown' | 'unrepaired' | 'gone'> {
  try {
    // It may have been created since.
    if ((await gatewaysToReconcile(aws.db)).some((gateway) => gateway.thingName === thingName)) return 'gone'
    if (await hasCertificates(aws.iot, thingName)) return 'unknown'
    await deletePolicy(aws.iot, thingName)
    await deleteThing(aws.iot, thingName)
    logger.warn('A Thing that no gateway has was removed from AWS IoT', { thing: thingName })
    return 'removed'
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return 'gone'
    logger.error('A Thing that no gateway has could not be removed from AWS IoT', { thing: thingName, error })
    return 'unrepaired'
  }
}

/** Certificates attached to the Thing of a gateway that nobody noted for it, by Thing. */
async function unknownCertificates(
  iot: IoTClient,
  { certificates }: IotInventory,
  gateways: ReconciledGateway[],
): Promise<Map<string, { id: string; arn: string }[]>> {
  const noted = new Set(gateways.flatMap(({ certificateIds }) => certificateIds))
  const byThing = new Map<string, { id: string; arn: string }[]>()
  for (const certificate of certificates.filter(({ id }) => !noted.has(id)).slice(0, MOST_AT_ONCE)) {
    for (const thing of await thingsOf(iot, certificate.arn)) {
      byThing.set(thing, [...(byThing.get(thing) ?? []), certificate])
    }
  }
  return byThing
}

function needsWork(gateway: ReconciledGateway, inventory: IotInventory, intruders: Map<string, unknown>): boolean {
  const { thingName, isToBeDeleted, ending } = gateway
  const isWhole = inventory.things.has(thingName) && inventory.policies.has(thingName)
  return isToBeDeleted || ending > 0 || intruders.has(thingName) || !isWhole
}

async function repair(
  aws: Aws,
  gateway: ReconciledGateway,
  inventory: IotInventory,
  intruders: { id: string; arn: string }[],
): Promise<'repaired' | 'unrepaired' | 'busy'> {
  const { thingName, lifecycle, isToBeDeleted } = gateway
  try {
    const until = await takeLease(aws.db, gateway)
    if (until === undefined) return 'busy'
    await holdingLease(aws.db, gateway, until, async () => {
      // What was certified since the lists were made is in Postgres by now.
      const present = (await gatewaysToReconcile(aws.db)).find(({ gatewayId }) => gatewayId === gateway.gatewayId)
      for (const certificate of intruders) {
        if (!present?.certificateIds.includes(certificate.id)) await removeCertificate(aws.iot, thingName, certificate)
      }
      if (isToBeDeleted) return eraseGateway(aws, gateway)
      if (lifecycle === 'revoked') await shutOut(aws, gateway)
      else await removeEndingCertificates(aws, gateway)
      if (!inventory.things.has(thingName) || !inventory.policies.has(thingName)) {
        await putPolicy(aws.iot, await createThing(aws.iot, aws.stage, thingName), gateway)
      }
    })
    logger.warn('A gateway differed from AWS IoT and was repaired', { gateway: thingName, lifecycle, isToBeDeleted })
    return 'repaired'
  } catch (error) {
    if (error instanceof GatewayBusy) return 'busy'
    logger.error('A gateway differs from AWS IoT and could not be repaired', { gateway: thingName, error })
    return 'unrepaired'
  }
}
