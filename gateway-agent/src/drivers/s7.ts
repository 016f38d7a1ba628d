import { bad } from './data-value.ts'
import type { DataValue, Driver, TagSource } from './driver.ts'
import { decodeS7 } from './s7-codec.ts'
import {
  answerTo,
  connectRequest,
  frameLength,
  isConnectConfirm,
  itemsOf,
  pduBytesOf,
  readRequest,
  setupRequest,
} from './s7-pdu.ts'
import { packItems, planRanges, splitRange, type S7Item, type S7Range } from './s7-plan.ts'
import { parseS7Tag } from './s7-tag.ts'
import { TcpExchange } from './tcp-exchange.ts'

/** The largest that any CPU takes; S7-300 and S7-1200 answer 240. */
const WANTED_PDU_BYTES = 960
/** A CPU that takes less than its smallest, 240, is none. */
const LEAST_PDU_BYTES = 112

export interface S7Options {
  host: string
  port: number
  rack: number
  slot: number
  timeoutMs: number
}

/** S7 communication as the CPUs 300, 400, 1200 and 1500 speak it, the last two with PUT/GET permitted. */
export function createS7(options: S7Options): Driver {
  let exchange: TcpExchange | undefined
  let pduBytes = 0
  let reference = 0
  let plans = new WeakMap<readonly TagSource[], S7Range[]>()
  let lastRead: Promise<unknown> = Promise.resolve()

  function ask(request: (reference: number) => Buffer) {
    if (!exchange) return Promise.reject(new Error('not connected'))
    reference = (reference + 1) % 65_536
    const asked = reference
    return exchange.request(request(asked), options.timeoutMs, (frame) => answerTo(asked, frame))
  }

  async function readAll(tags: readonly TagSource[]): Promise<DataValue[]> {
    const values: DataValue[] = []
    const ranges = plans.get(tags) ?? planRanges(tags.map(parseS7Tag), pduBytes)
    plans.set(tags, await readRanges(ranges, values))
    return values
  }

  /** Answers into `values`; returns the ranges to ask for the next time. */
  async function readRanges(ranges: S7Range[], values: DataValue[]): Promise<S7Range[]> {
    const results = new Map(ranges.map((range) => [range, { bytes: Buffer.alloc(range.length), fault: '' }]))
    for (const items of packItems(ranges, pduBytes)) {
      for (const [item, answer] of await readItems(items)) {
        const result = results.get(item.range)!
        if (typeof answer === 'string') result.fault = answer
        else answer.copy(result.bytes, item.offset)
      }
    }
    const refused: S7Range[] = []
    const kept: S7Range[] = []
    for (const [range, { bytes, fault }] of results) {
      if (fault && range.tags.length > 1) {
        refused.push(range)
        continue
      }
      kept.push(range)
      for (const { index, tag } of range.tags) {
        const at = tag.start - range.start
        values[index] = fault ? bad(`the PLC refuses it: ${fault}`) : decodeS7(tag, bytes.subarray(at, at + tag.bytes))
      }
    }
    return refused.length === 0 ? kept : [...kept, ...(await readRanges(refused.flatMap(splitRange), values))]
  }

  async function readItems(items: S7Item[]): Promise<[S7Item, Buffer | string][]> {
    const answers = itemsOf(await ask((asked) => readRequest(asked, items)), items)
    return items.map((item, index) => [item, answers[index]!])
  }

  return {
    async connect() {
      const opening = new TcpExchange({ ...options, frameLength, onLost: () => undefined })
      exchange = opening
      await opening.opened()
      await opening.request(connectRequest(options.rack, options.slot), options.timeoutMs, isConnectConfirm)
      pduBytes = pduBytesOf(await ask((asked) => setupRequest(asked, WANTED_PDU_BYTES)))
      if (pduBytes < LEAST_PDU_BYTES) throw new Error(`the PLC takes only ${pduBytes} bytes at once`)
      plans = new WeakMap()
    },
    read(tags) {
      const reading = lastRead.then(() => readAll(tags))
      lastRead = reading.catch(() => undefined)
      return reading
    },
    close() {
      exchange?.close()
      exchange = undefined
      return Promise.resolve()
    },
  }
}
