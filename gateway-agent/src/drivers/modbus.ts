import type { ModbusRTU } from 'modbus-serial/ModbusRTU.js'
import { messageOf } from '../failure.ts'
import type { DataValue, Driver, TagSource } from './driver.ts'
import { decodeRegisters } from './modbus-codec.ts'
import { halveRequest, planRequests, type ModbusRequest } from './modbus-plan.ts'
import { isBitTable, parseModbusTag } from './modbus-tag.ts'

/** Exception codes that a device may answer with (Modbus application protocol 1.1b3, section 7). */
const EXCEPTIONS: Record<number, string> = {
  1: 'illegal function: the device does not have this table',
  2: 'illegal data address: the device has no such register',
  3: 'illegal data value: the device refuses the length',
  4: 'server device failure',
  5: 'acknowledge: the device needs more time',
  6: 'server device busy',
  8: 'memory parity error',
  10: 'gateway path unavailable',
  11: 'gateway target device failed to respond',
}
/** Answers to a request of which one part may be right: a register in it does not exist, or it is too long for the device. */
const REFUSED_FOR_A_PART = [2, 3]
/** A request that was cut in parts is tried as a whole again after this time: the device may have a new program. */
const PLAN_AFRESH_MS = 600_000

export interface ModbusTcpOptions {
  host: string
  port: number
  unitId: number
  timeoutMs: number
}

/** An open connection, and the promise that rejects as soon as it is lost. */
interface Connection {
  client: ModbusRTU
  lost: Promise<never>
  lose: (reason: Error) => void
}

interface Plan {
  requests: ModbusRequest[]
  /** On the monotonic clock. */
  madeAt: number
}

/**
 * Modbus TCP by modbus-serial, which matches MBAP transaction ids and times out. One request at a time: small PLCs
 * accept no second one, and a read takes a few milliseconds.
 */
export async function createModbusTcp(options: ModbusTcpOptions): Promise<Driver> {
  // CommonJS: what Node calls the default is the class, which the package's types do not say.
  const Client = (await import('modbus-serial')).default as unknown as typeof ModbusRTU
  let connection: Connection | undefined
  let plans = new WeakMap<readonly TagSource[], Plan>()
  let lastRead: Promise<unknown> = Promise.resolve()

  async function readAll(tags: readonly TagSource[]): Promise<DataValue[]> {
    if (!connection) throw new Error('not connected')
    const now = performance.now()
    const kept = plans.get(tags)
    const plan =
      kept && now - kept.madeAt < PLAN_AFRESH_MS
        ? kept
        : { requests: planRequests(tags.map(parseModbusTag)), madeAt: now }
    const values: DataValue[] = []
    const requests: ModbusRequest[] = []
    for (const request of plan.requests) requests.push(...(await perform(connection, request, values)))
    plans.set(tags, { requests, madeAt: plan.madeAt })
    return values
  }

  return {
    async connect() {
      const client = new Client()
      client.on('error', () => undefined)
      client.setTimeout(options.timeoutMs)
      client.setID(options.unitId)
      try {
        await client.connectTCP(options.host, { port: options.port })
      } catch (error) {
        client.destroy(() => undefined)
        throw linkError(error, options)
      }
      const { promise: lost, reject: lose } = Promise.withResolvers<never>()
      lost.catch(() => undefined)
      client.on('close', () => lose(new Error('the device closed the connection')))
      plans = new WeakMap()
      connection = { client, lost, lose }
    },
    read(tags) {
      const reading = lastRead
        .then(() => readAll(tags))
        .catch((error: unknown) => Promise.reject(linkError(error, options)))
      lastRead = reading.catch(() => undefined)
      return reading
    },
    close() {
      // modbus-serial never answers a request that was pending when its port is destroyed.
      connection?.lose(new Error('the connection was closed'))
      connection?.client.destroy(() => undefined)
      connection = undefined
      return Promise.resolve()
    },
  }
}

/** Answers into `values`; returns the requests that replace this one in the plan. */
async function perform(connection: Connection, request: ModbusRequest, values: DataValue[]): Promise<ModbusRequest[]> {
  let answer: { data: (number | boolean)[]; buffer: Buffer }
  try {
    answer = await Promise.race([ask(connection.client, request), connection.lost])
  } catch (error) {
    const { modbusCode } = error as { modbusCode?: number }
    if (modbusCode === undefined) throw error
    if (request.tags.length > 1 && REFUSED_FOR_A_PART.includes(modbusCode)) {
      const parts: ModbusRequest[] = []
      for (const half of halveRequest(request)) parts.push(...(await perform(connection, half, values)))
      return parts
    }
    const fault = `Modbus exception ${modbusCode}, ${EXCEPTIONS[modbusCode] ?? 'unknown to the protocol'}`
    for (const { index } of request.tags) values[index] = { value: null, quality: 'bad', fault }
    return [request]
  }
  for (const { index, tag } of request.tags) {
    const from = tag.offset - request.offset
    values[index] = isBitTable(tag.table)
      ? { value: answer.data[from] === true, quality: 'good' }
      : decodeRegisters(tag, answer.buffer.subarray(from * 2, (from + tag.length) * 2))
  }
  return [request]
}

/** modbus-serial rejects with objects that are no Error, and says "Timed out" in two ways. */
function linkError(error: unknown, { timeoutMs }: ModbusTcpOptions): Error {
  const message = messageOf(error)
  if (/timed out/i.test(message)) return new Error(`no answer within ${timeoutMs} ms`, { cause: error })
  return error instanceof Error ? error : new Error(message, { cause: error })
}

function ask(client: ModbusRTU, { table, offset, length }: ModbusRequest) {
  switch (table) {
    case 'coil':
      return client.readCoils(offset, length)
    case 'discrete':
      return client.readDiscreteInputs(offset, length)
    case 'input':
      return client.readInputRegisters(offset, length)
    case 'holding':
      return client.readHoldingRegisters(offset, length)
  }
}
