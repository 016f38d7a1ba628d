import type { IoTClient } from '@aws-sdk/client-iot'
import type { IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane'
import type { Kysely } from 'kysely'
import type { Database } from '../data/database.ts'
import { GatewayBusy, holdingLease, takeLease } from '../data/gateway-lease.ts'
import { endAbandonedCertificates, gatewaysToReconcile, type ReconciledGateway } from '../data/gateways-to-reconcile.ts'
import { eraseGateway, shutOut } from '../gateways/end-gateway.ts'
import { removeEndingCertificates } from '../gateways/remove-certificates.ts'
import { createThing, putPolicy } from '../gateways/thing-and-policy.ts'
import { logger } from '../runtime/frame.ts'
import { faultsOf, mend } from './compare-gateway.ts'
import { type IotInventory, listIot } from './list-iot.ts'
import { removePolicy, removeThing } from './orphans.ts'

/** AWS IoT takes some ten calls a second from an account, and those of people go first: the rest is for the next run. */
const MOST_AT_ONCE = 50
const RUN_EVERY_MS = 15 * 60 * 1000

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
  /** Gateways whose certificate AWS IoT no longer has, or holds inactive: somebody has done that there. */
  withoutCertificate: string[]
  /** Our Things and policies that no gateway has and that have no certificate: removed. */
  removed: string[]
  /** The same with a certificate, by which something may be connected: a restored database, perhaps. They are left alone. */
  unknown: string[]
}

/**
 * Compares AWS IoT with Postgres. What Postgres says was begun is finished, and what it says of policies and certificates is made so. Of
 * what it does not know, only our Things and policies that hold nothing are removed, which can be made again: a database that
 * has lost its gateways must not take away their certificates.
 */
export async function reconcile(aws: Aws, now: number): Promise<Differences> {
  await endAbandonedCertificates(aws.db, now)
  const inventory = await listIot(aws.iot, aws.stage)
  const gateways = await gatewaysToReconcile(aws.db)
  const names = new Set(gateways.map(({ thingName }) => thingName))
  const outcome: Differences = { repaired: [], unrepaired: [], withoutCertificate: [], removed: [], unknown: [] }

  const work = new Set(gateways.filter((gateway) => isUnfinished(gateway, inventory)).slice(0, MOST_AT_ONCE))
  for (const gateway of inTurn(gateways, now)) if (await differs(aws.iot, inventory, gateway)) work.add(gateway)
  for (const gateway of work) {
    const done = await repair(aws, gateway, inventory)
    if (done !== 'nothing') outcome[done].push(gateway.thingName)
  }

  outcome.withoutCertificate = gateways
    .filter(({ lifecycle }) => lifecycle !== 'created' && lifecycle !== 'revoked')
    .filter(({ certificateIds }) => !certificateIds.some((id) => inventory.activeCertificates.has(id)))
    .map(({ thingName }) => thingName)

  const { things, otherThings, policies } = inventory
  const alone = [...policies].filter((name) => !names.has(name) && !things.has(name) && !otherThings.has(name))
  const orphans = [
    ...[...things].filter((name) => !names.has(name)).map((name) => ({ name, remove: removeThing })),
    ...inTurn(alone, now).map((name) => ({ name, remove: removePolicy })),
  ]
  for (const { name, remove } of orphans.slice(0, 2 * MOST_AT_ONCE)) {
    // It may have been created since.
    if ((await gatewaysToReconcile(aws.db)).some(({ thingName }) => thingName === name)) continue
    const done = await remove(aws.iot, name)
    if (done !== 'gone') outcome[done].push(name)
  }
  return outcome
}

/** As many as a run looks at closely, others in each run. */
function inTurn<Item>(all: Item[], now: number): Item[] {
  if (all.length <= MOST_AT_ONCE) return all
  const from = (Math.floor(now / RUN_EVERY_MS) * MOST_AT_ONCE) % all.length
  return [...all, ...all].slice(from, from + MOST_AT_ONCE)
}

const isWhole = ({ thingName }: ReconciledGateway, { things, policies }: IotInventory) =>
  things.has(thingName) && policies.has(thingName)

const isUnfinished = (gateway: ReconciledGateway, inventory: IotInventory) =>
  gateway.isToBeDeleted || gateway.ending > 0 || !isWhole(gateway, inventory)

const differs = async (iot: IoTClient, inventory: IotInventory, gateway: ReconciledGateway) =>
  inventory.arnPrefix !== undefined &&
  isWhole(gateway, inventory) &&
  (await faultsOf(iot, inventory.arnPrefix, inventory.activeCertificates, gateway)) !== undefined

async function repair(
  aws: Aws,
  { gatewayId, tenantId, thingName }: ReconciledGateway,
  inventory: IotInventory,
): Promise<'repaired' | 'unrepaired' | 'nothing'> {
  try {
    const until = await takeLease(aws.db, { gatewayId, tenantId })
    if (until === undefined) return 'nothing'
    const isMended = await holdingLease(aws.db, { gatewayId, tenantId }, until, async () => {
      // As it is now, when nobody else changes it: it may have been moved or enrolled since the lists were made.
      const all = await gatewaysToReconcile(aws.db)
      const gateway = all.find((one) => one.gatewayId === gatewayId)
      return gateway === undefined ? false : mendGateway(aws, gateway, inventory, all)
    })
    if (!isMended) return 'nothing'
    logger.warn('A gateway differed from AWS IoT and was repaired', { gateway: thingName })
    return 'repaired'
  } catch (error) {
    if (error instanceof GatewayBusy) return 'nothing'
    logger.error('A gateway differs from AWS IoT and could not be repaired', { gateway: thingName, error })
    return 'unrepaired'
  }
}

/** False when there was nothing to do after all. */
async function mendGateway(
  aws: Aws,
  gateway: ReconciledGateway,
  inventory: IotInventory,
  all: ReconciledGateway[],
): Promise<boolean> {
  const { iot, stage } = aws
  let arnPrefix = inventory.arnPrefix
  if (!gateway.isToBeDeleted && !isWhole(gateway, inventory)) {
    arnPrefix = await createThing(iot, stage, gateway.thingName)
    await putPolicy(iot, arnPrefix, gateway)
  }
  const faults =
    arnPrefix === undefined ? undefined : await faultsOf(iot, arnPrefix, inventory.activeCertificates, gateway)
  if (faults === undefined && !isUnfinished(gateway, inventory)) return false
  if (faults !== undefined) {
    const others = all.filter(({ gatewayId }) => gatewayId !== gateway.gatewayId)
    await mend(iot, arnPrefix!, gateway, faults, new Set(others.flatMap(({ certificateIds }) => certificateIds)))
  }
  if (gateway.isToBeDeleted) await eraseGateway(aws, gateway)
  else if (gateway.lifecycle === 'revoked') await shutOut(aws, gateway)
  else await removeEndingCertificates(aws, gateway)
  return true
}
