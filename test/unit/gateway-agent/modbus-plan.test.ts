import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { halveRequest, MAX_BITS, MAX_REGISTERS, planRequests } from '../../../gateway-agent/src/drivers/modbus-plan.ts'
import {
  isBitTable,
  MODBUS_TABLES,
  parseModbusTag,
  type ModbusTag,
} from '../../../gateway-agent/src/drivers/modbus-tag.ts'

const tag = (address: string, type?: string) => parseModbusTag({ name: 't', address, type })
const shape = (tags: ModbusTag[]) =>
  planRequests(tags).map(({ table, offset, length }) => `${table}:${offset}+${length}`)

const anyTag = fc
  .record({
    table: fc.constantFrom(...MODBUS_TABLES),
    offset: fc.nat({ max: 3000 }),
    type: fc.constantFrom('uint16', 'float32', 'float64'),
  })
  .map(({ table, offset, type }) => tag(`${table}:${offset}`, isBitTable(table) ? undefined : type))

describe('merging reads', () => {
  it('takes neighbours and gaps in one request, each table for itself', () => {
    expect(
      shape([tag('holding:10'), tag('holding:0', 'float32'), tag('input:3'), tag('coil:9'), tag('coil:1')]),
    ).toEqual(['coil:1+9', 'holding:0+11', 'input:3+1'])
  })

  it('keeps to 125 registers and 2000 bits', () => {
    expect(shape([tag('holding:0'), tag('holding:124')])).toEqual(['holding:0+125'])
    expect(shape([tag('holding:0'), tag('holding:124', 'float32')])).toEqual(['holding:0+1', 'holding:124+2'])
    expect(shape([tag('coil:0'), tag('coil:1999')])).toEqual(['coil:0+2000'])
    expect(shape([tag('coil:0'), tag('coil:2000')])).toEqual(['coil:0+1', 'coil:2000+1'])
  })

  it('covers every tag once, within the limits, whatever the tags', () => {
    fc.assert(
      fc.property(fc.array(anyTag, { maxLength: 60 }), (tags) => {
        const requests = planRequests(tags)
        for (const { table, offset, length, tags: planned } of requests) {
          expect(length).toBeLessThanOrEqual(isBitTable(table) ? MAX_BITS : MAX_REGISTERS)
          for (const { tag: each } of planned) {
            expect(each.table).toBe(table)
            expect(each.offset).toBeGreaterThanOrEqual(offset)
            expect(each.offset + each.length).toBeLessThanOrEqual(offset + length)
          }
        }
        const indexes = requests.flatMap((request) => request.tags.map(({ index }) => index))
        expect(indexes.toSorted((a, b) => a - b)).toEqual(tags.map((_, index) => index))
      }),
    )
  })

  it('halves cover the same tags', () => {
    const [request] = planRequests([tag('holding:0', 'float64'), tag('holding:1'), tag('holding:50')])
    expect(halveRequest(request!).map(({ offset, length }) => [offset, length])).toEqual([
      [0, 4],
      [50, 1],
    ])
  })
})
