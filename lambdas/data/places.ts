import type { Kysely } from 'kysely'
import { expiringMap } from '../runtime/expiring-map.ts'
import { Refusal } from '../runtime/refusals.ts'
import type { Database } from './database.ts'
import { findGateways, findPlaces } from './find-places.ts'

/** What a topic and a clientId say about where a message comes from. */
export interface Sender {
  tenant: string
  province: string
  plant: string
  /** clientId of the connection, which is the gateway's thingName. */
  clientId: string
  /** Broker's clock, epoch ms. */
  receivedAt: number
}

export interface Place {
  tenantId: string
  plantId: string
  gatewayId: string
}

/** How long a new name of a plant's province may go unseen. */
const LIFETIME_MS = 60_000

/** So long after a move the broker may still take what a gateway sends under its old topics (AWS IoT: 8 min for a policy). */
const MOVING_MS = 15 * 60_000

interface KnownGateway {
  id: string
  plantId: string
  previousPlantId: string | null
  movedAt: number | null
}

/** Ids of the tenants, plants and gateways that messages name. They are never created here. */
export interface Places {
  /** Looks up the names that are not known yet, all in two queries. */
  load(senders: Sender[]): Promise<void>
  /** Of a sender that was loaded. Refuses unknown names, and a gateway on the topic of a plant that is not its own. */
  of(sender: Sender): Place
}

export function knownPlaces(db: Kysely<Database>): Places {
  const tenants = expiringMap<string>(LIFETIME_MS)
  const plants = expiringMap<{ id: string; province: string }>(LIFETIME_MS)
  const gateways = expiringMap<KnownGateway>(LIFETIME_MS)
  const plantKey = (sender: Sender) => `${sender.tenant}/${sender.plant}`

  return {
    async load(messages) {
      // A batch is of few senders.
      const senders = [...new Map(messages.map((one) => [`${plantKey(one)}/${one.clientId}`, one])).values()]
      const stale = senders.filter((sender) => !tenants.isFresh(sender.tenant) || !plants.isFresh(plantKey(sender)))
      if (stale.length > 0) {
        const names = [distinct(stale.map((one) => one.tenant)), distinct(stale.map((one) => one.plant))] as const
        const rows = await findPlaces(db, ...names)
        for (const sender of stale) {
          tenants.delete(sender.tenant)
          plants.delete(plantKey(sender))
        }
        for (const row of rows) {
          tenants.set(row.tenant, row.tenantId)
          if (row.plantId === null) continue
          plants.set(`${row.tenant}/${row.plant!}`, { id: row.plantId, province: row.province! })
        }
      }
      const isStale = (sender: Sender) => {
        const gateway = gateways.get(sender.clientId)
        // One on another plant's topic may have been moved there a moment ago.
        return !gateways.isFresh(sender.clientId) || gateway?.plantId !== plants.get(plantKey(sender))?.id
      }
      const staleGateways = distinct(senders.filter(isStale).map((one) => one.clientId))
      if (staleGateways.length > 0) {
        const rows = await findGateways(db, staleGateways)
        for (const name of staleGateways) gateways.delete(name)
        for (const row of rows) {
          const { id, plant_id: plantId, previous_plant_id: previousPlantId, moved_at: movedAt } = row
          gateways.set(row.thing_name, { id, plantId, previousPlantId, movedAt })
        }
      }
    },
    of(sender) {
      const tenantId = tenants.get(sender.tenant)
      if (tenantId === undefined) throw new Refusal('unknown_tenant', `There is no tenant ${sender.tenant}`)
      const plant = plants.get(plantKey(sender))
      if (plant?.province !== sender.province) {
        const where = `${sender.province}/${sender.plant}`
        throw new Refusal('unknown_plant', `The tenant ${sender.tenant} has no plant ${where}`)
      }
      const gateway = gateways.get(sender.clientId)
      if (gateway === undefined) throw new Refusal('unknown_gateway', `There is no gateway ${sender.clientId}`)
      const wasThere = gateway.previousPlantId === plant.id && sender.receivedAt < gateway.movedAt! + MOVING_MS
      if (gateway.plantId !== plant.id && !wasThere) {
        throw new Refusal(
          'client_topic_mismatch',
          `The gateway ${sender.clientId} is not registered for the plant that the topic names`,
        )
      }
      return { tenantId, plantId: plant.id, gatewayId: gateway.id }
    },
  }
}

const distinct = (names: string[]) => [...new Set(names)]
