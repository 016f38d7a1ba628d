import type { Kysely } from 'kysely'
import { MAX_TOPIC_BYTES, statusTopic } from '../../schemas/topics.ts'
import type { Database } from '../data/database.ts'
import { newLeaseEnd } from '../data/gateway-lease.ts'
import { findReservation, findUnenrolledGateway, reserveGateway, thingNamesWith } from '../data/reserve-gateway.ts'
import { ApiError, invalidField } from './problem.ts'

/** Longest name that AWS IoT takes. */
const MAX_NAME_CHARACTERS = 128
/** Others may take a free number first; so many times in a row they do not. */
const TRIES = 20

interface Place {
  tenant: string
  province: string
  slug: string
}

interface Reserved {
  gatewayId: string
  thingName: string
  /** Epoch ms; undefined for a gateway that is there and was never enrolled. */
  leaseEnd: number | undefined
}

/**
 * Reserves the name asked for, or `{tenant}-{province}-gateway-{n}` with the first free n. Who asks by name for a gateway
 * of this plant that was never enrolled gets that one, and a repeated request the one that it has reserved (`newId`).
 * Throws ApiError: 400 when the topic of its status would be too long, 409 when the name is taken, by whomever, or no longer waits.
 */
export async function reserveName(
  db: Kysely<Database>,
  by: { tenantId: string; plantId: string; userId: string; requestId: string; newId: string },
  place: Place,
  wanted: string | undefined,
): Promise<Reserved> {
  const begun = await findReservation(db, by.tenantId, by.newId)
  if (begun !== undefined) {
    const waiting = await findUnenrolledGateway(db, { ...by, thingName: begun })
    if (waiting !== by.newId)
      throw new ApiError('conflict', `${begun}, which this request made, no longer waits there to be enrolled.`)
    return { gatewayId: waiting, thingName: begun, leaseEnd: undefined }
  }
  const room = roomForName(place)
  if (wanted !== undefined) {
    if (wanted.length > room) throw invalidField('thingName', `must be at most ${room} characters in this plant`)
    const leaseEnd = newLeaseEnd()
    const gatewayId = await reserveGateway(db, { ...by, thingName: wanted }, leaseEnd)
    if (gatewayId !== undefined) return { gatewayId, thingName: wanted, leaseEnd }
    const unenrolled = await findUnenrolledGateway(db, { ...by, thingName: wanted })
    if (unenrolled === undefined) throw new ApiError('conflict', 'This name is taken. Choose another one.')
    return { gatewayId: unenrolled, thingName: wanted, leaseEnd: undefined }
  }
  const prefix = defaultPrefix(place, room)
  const taken = await thingNamesWith(db, by.tenantId, prefix)
  for (let n = 1; n <= taken.size + TRIES; n++) {
    const thingName = `${prefix}${n}`
    if (taken.has(thingName)) continue
    const leaseEnd = newLeaseEnd()
    const gatewayId = await reserveGateway(db, { ...by, thingName }, leaseEnd)
    if (gatewayId !== undefined) return { gatewayId, thingName, leaseEnd }
  }
  throw new ApiError('conflict', 'No free name was found. Give the gateway one of its own.')
}

/** Throws ApiError (400) when the topic of the gateway's status would be too long in that plant. */
export function checkNameFits(place: Place, thingName: string): void {
  const room = roomForName(place)
  if (thingName.length > room) throw invalidField('plantId', `names may have ${room} characters at most in that plant`)
}

/** Characters that a name may have so that IoT Core takes the topic of its status. */
function roomForName({ tenant, province, slug }: Place): number {
  const around = statusTopic({ tenant, province, plant: slug, thingName: 'x' }).length - 1
  return Math.min(MAX_NAME_CHARACTERS, MAX_TOPIC_BYTES - around)
}

/** With long slugs their end is left out, so that a number of five digits has room. */
function defaultPrefix({ tenant, province }: Place, room: number): string {
  const suffix = '-gateway-'
  return `${`${tenant}-${province}`.slice(0, room - suffix.length - 5)}${suffix}`
}
