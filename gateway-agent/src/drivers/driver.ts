import type { Quality, Scalar } from '../../../schemas/telemetry.ts'

/** Order of a value's bytes as sent, named by the bytes of a 32 bit value. */
export const BYTE_ORDERS = ['ABCD', 'CDAB', 'BADC', 'DCBA'] as const
export type ByteOrder = (typeof BYTE_ORDERS)[number]

/** Where a tag's value stands in the device, as the configuration says it. */
export interface TagSource {
  name: string
  address: string
  type?: string | undefined
  order?: ByteOrder | undefined
  /** Bytes of a string. */
  length?: number | undefined
  /** How often it will be read: a driver that subscribes asks the device for this rhythm. */
  intervalMs?: number | undefined
}

/** What a tag's values will be, as far as its configuration tells. */
export type ValueKind = 'number' | 'bool' | 'text' | 'any'

/** What was read for one tag. A value that could not be read is null and bad, and `fault` says why. */
export interface DataValue {
  value: Scalar
  quality: 'good' | Quality
  fault?: string
  /** Epoch ms by the clock of the device, where it has one and says so. */
  timestamp?: number
}

/**
 * One connection to one device. A driver keeps no timers and retries nothing by itself: `device.ts` decides when to
 * connect again, the poller when to read. It never throws outside its promises, whatever the socket does.
 */
export interface Driver {
  /** Rejects when the device does not answer within its time-out. */
  connect: () => Promise<void>
  /**
   * Values in the order of `tags`. What the device refuses is bad for its tag only; a rejection means that the
   * connection cannot be used any more. Called with the same array again and again, so that a plan can be kept for it.
   */
  read: (tags: readonly TagSource[]) => Promise<DataValue[]>
  /** Never rejects; also right when nothing is open. */
  close: () => Promise<void>
}

/** An address, type or order that the driver does not understand; `key` is the wrong one. */
export class SourceError extends Error {
  readonly key: keyof TagSource

  constructor(key: keyof TagSource, message: string) {
    super(message)
    this.key = key
  }
}
