import { LIVE_MESSAGES, roleMay } from '../../schemas/permissions.ts'
import { openAlarms } from '../data/alarms.ts'
import { findUser } from '../data/find-user.ts'
import { type Connection, liveVersion, watchPlant } from '../data/live-connections.ts'
import { liveGateways } from '../data/live-gateways.ts'
import { liveMachines } from '../data/live-machines.ts'
import { findPlant, type PlantAddress } from '../data/plants.ts'
import { inTenant } from '../data/tenant-transaction.ts'
import { liveFrames } from '../runtime/live-frames.ts'
import { isStillSignedIn } from './is-still-signed-in.ts'
import { postFrames, postMessage } from './post.ts'
import type { Services } from './services.ts'

/**
 * The order keeps the picture whole. First the connection becomes a watcher, so that no change is missed; then the
 * version is read, and only then the state: whatever it lacks comes in a delta with a higher version. Such a delta may
 * reach the browser before the snapshot does.
 */
export async function subscribe(services: Services, connection: Connection, plantId: string): Promise<void> {
  const { connectionId, tenant, tenantId } = connection
  const plant = await visiblePlant(services, connection, plantId)
  if (plant === undefined)
    return postMessage(services, connectionId, { type: 'error', code: 'not_found', plant: plantId })

  const version = await services.redis.use(async (client) => {
    await watchPlant(client, connection, plant)
    return liveVersion(client, { tenant, plant: plant.slug })
  })
  const picture = await inTenant(services.db, tenantId, async (transaction) => ({
    plant: plantId,
    version,
    machines: await liveMachines(transaction, tenantId, plantId),
    gateways: await liveGateways(transaction, tenantId, plantId),
    alarms: await openAlarms(transaction, tenantId, plantId),
  }))
  await postFrames(services, connectionId, liveFrames('snapshot', picture))
}

/** By what the user may at this moment, not at the moment of the ticket; therefore from Postgres and no cache. */
async function visiblePlant(
  { db }: Services,
  connection: Connection,
  plantId: string,
): Promise<PlantAddress | undefined> {
  const { firebaseUid, tenantId } = connection
  const user = await findUser(db, firebaseUid)
  if (!isStillSignedIn(user, connection)) return undefined
  if (!roleMay(user.role, LIVE_MESSAGES.subscribe)) return undefined
  return inTenant(db, tenantId, (transaction) => findPlant(transaction, tenantId, user.plantAccess, plantId))
}
