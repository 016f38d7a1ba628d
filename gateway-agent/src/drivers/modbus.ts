import { setTimeout as wait } from 'node:timers/promises'
import { bad, good } from './data-value.ts'
import type { DataValue, Driver, TagSource } from './driver.ts'
import { decodeRegisters } from './modbus-codec.ts'
import { leaseLine, type Lease, type ModbusTransport } from './modbus-line.ts'
import { bitAt, dataBytes, dataOf, ModbusException, readRequest } from './modbus-pdu.ts'
import { halveRequest, planRequests, type ModbusRequest } from './modbus-plan.ts'
import { modbusRtu, type SerialSettings } from './modbus-rtu.ts'
import { isBitTable, parseModbusTag } from './modbus-tag.ts'
import { modbusTcp } from './modbus-tcp.ts'

/** Answers to a request of which one part may be right: a register in it does not exist, or it is too long for the device. */
const REFUSED_FOR_A_PART = [2, 3]
/** A Modbus gateway says so of a unit behind it that it cannot reach: the device is gone, and not just one of its tags. */
const UNIT_IS_AWAY = [10, 11]
/** A request that was cut in parts is tried as a whole again after this time: the device may have a new program. */
const PLAN_AFRESH_MS = 600_000

interface Unit {
  unitId: number
  timeoutMs: number
}

/** `restMs`: how long a unit is left alone after a failure, because a late answer could not be told from the next one. */
type RestingUnit = Unit & { restMs: number }

interface Plan {
  requests: ModbusRequest[]
  /** On the monotonic clock. */
  madeAt: number
}

export const createModbusTcp = (options: Unit & { host: string; port: number }): Driver =>
  createModbus({ ...options, restMs: 0 }, `${options.host}:${options.port}`, () => modbusTcp(options))

export const createModbusRtu = ({ unitId, timeoutMs, ...settings }: Unit & SerialSettings): Driver =>
  createModbus({ unitId, timeoutMs, restMs: timeoutMs }, settings.path, () => modbusRtu(settings))

/** One unit on a line. One request at a time: small PLCs accept no second one, and a read takes a few milliseconds. */
function createModbus(unit: RestingUnit, address: string, createTransport: () => ModbusTransport): Driver {
  let lease: Lease | undefined
  /** Not to be asked before, on the monotonic clock. */
  let restsUntil = 0
  let plans = new WeakMap<readonly TagSource[], Plan>()
  let lastRead: Promise<unknown> = Promise.resolve()

  async function readAll(tags: readonly TagSource[]): Promise<DataValue[]> {
    if (!lease) throw new Error('not connected')
    const now = performance.now()
    const kept = plans.get(tags)
    const plan =
      kept && now - kept.madeAt < PLAN_AFRESH_MS
        ? kept
        : { requests: planRequests(tags.map(parseModbusTag)), madeAt: now }
    const values: DataValue[] = []
    const requests: ModbusRequest[] = []
    for (const request of plan.requests) requests.push(...(await perform(lease, unit, request, values)))
    plans.set(tags, { requests, madeAt: plan.madeAt })
    return values
  }

  return {
    async connect() {
      const restMs = restsUntil - performance.now()
      if (restMs > 0) await wait(restMs)
      lease = await leaseLine(address, createTransport)
      plans = new WeakMap()
    },
    read(tags) {
      const reading = lastRead.then(() => readAll(tags))
      lastRead = reading.catch(() => {
        restsUntil = performance.now() + unit.restMs
      })
      return reading
    },
    async close() {
      const held = lease
      lease = undefined
      await held?.release()
    },
  }
}

/** Answers into `values`; returns the requests that replace this one in the plan. */
async function perform(
  lease: Lease,
  unit: Unit,
  request: ModbusRequest,
  values: DataValue[],
): Promise<ModbusRequest[]> {
  let data: Buffer
  try {
    const pdu = readRequest(request)
    data = dataOf(request, await lease.transact(unit.unitId, pdu, 2 + dataBytes(request), unit.timeoutMs))
  } catch (error) {
    if (!(error instanceof ModbusException) || UNIT_IS_AWAY.includes(error.code)) throw error
    if (request.tags.length > 1 && REFUSED_FOR_A_PART.includes(error.code)) {
      const parts: ModbusRequest[] = []
      for (const half of halveRequest(request)) parts.push(...(await perform(lease, unit, half, values)))
      return parts
    }
    for (const { index } of request.tags) values[index] = bad(error.message)
    return [request]
  }
  for (const { index, tag } of request.tags) {
    const from = tag.offset - request.offset
    values[index] = isBitTable(tag.table)
      ? good(bitAt(data, from))
      : decodeRegisters(tag, data.subarray(from * 2, (from + tag.length) * 2))
  }
  return [request]
}
