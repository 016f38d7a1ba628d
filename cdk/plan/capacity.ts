/** What our own parts get through: figures of benches and of INGEST's measurements, on two cores of a developer's machine. */
import type { PRICES } from '../../schemas/prices.ts'
import type { INGEST_PROFILES } from '../settings.ts'

export type Profile = keyof typeof INGEST_PROFILES

/**
 * Messages per second and processor of the database: half of what the store statement reached there (12,000 with batches of 10, 45,000 with
 * 1,000, on two), because rolling up costs as much again. Nobody has measured it on RDS yet.
 */
const STORED_PER_VCPU = { live: 3000, bulk: 11_000 } as const satisfies Record<Profile, number>
/** What reading, vacuum and a busy hour need. */
const DATABASE_SHARE = 0.7

/** Time of an invocation in ms: of its own, and for each message. */
const INVOCATION_MS = { base: 10, perMessage: 0.1 }

const VCPUS = {
  ...{ 't4g.small': 2, 't4g.medium': 2, 'm7g.large': 2, 'm7g.xlarge': 4, 'm7g.2xlarge': 8, 'm7g.4xlarge': 16 },
  ...{ 'm7g.8xlarge': 32, 'm7g.12xlarge': 48, 'm7g.16xlarge': 64 },
} as const satisfies Record<DatabaseClass, number>

export type DatabaseClass = keyof typeof PRICES.database.perHour

export const isDatabaseClass = (name: string): name is DatabaseClass => Object.hasOwn(VCPUS, name)

/** Messages per second that a class stores. A t4g's processors are for bursts: a fifth of the time. */
export const storedPerSecond = (name: DatabaseClass, profile: Profile): number =>
  VCPUS[name] * STORED_PER_VCPU[profile] * DATABASE_SHARE * (name.startsWith('t4g') ? 0.2 : 1)

/** The cheapest class that stores so many; undefined when none does. */
export const classFor = (messages: number, profile: Profile): DatabaseClass | undefined =>
  (Object.keys(VCPUS) as DatabaseClass[])
    .filter((name) => name.startsWith('m7g'))
    .find((name) => storedPerSecond(name, profile) >= messages)

/** How full batches get: as full as they may where there is more than one message per invocation's time and consumer. */
export function batchOf(messages: number, batchSize: number, windowSec: number, concurrency: number): number {
  const gathered = (messages * Math.max(windowSec, INVOCATION_MS.base / 1000)) / concurrency
  return Math.min(batchSize, Math.max(1, gathered))
}

export const invocationSec = (batch: number): number => (INVOCATION_MS.base + INVOCATION_MS.perMessage * batch) / 1000
