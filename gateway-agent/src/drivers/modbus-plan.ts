import { isBitTable, type ModbusTable, type ModbusTag } from './modbus-tag.ts'

/** What one request may ask for (Modbus application protocol 1.1b3, sections 6.1 to 6.4). */
export const MAX_REGISTERS = 125
export const MAX_BITS = 2000

/** A tag and its place in the list that the caller gave. */
export interface PlannedTag {
  index: number
  tag: ModbusTag
}

export interface ModbusRequest {
  table: ModbusTable
  offset: number
  /** Registers or bits. */
  length: number
  /** By offset. */
  tags: PlannedTag[]
}

/**
 * The fewest requests that cover all tags: gaps between them are read as well, since a request costs far more than the
 * registers in it. Taking as much as fits from the lowest offset on is optimal for spans of limited length.
 */
export function planRequests(tags: readonly ModbusTag[]): ModbusRequest[] {
  const byPlace = tags
    .map((tag, index) => ({ index, tag }))
    .sort((a, b) => a.tag.table.localeCompare(b.tag.table) || a.tag.offset - b.tag.offset)
  const requests: ModbusRequest[] = []
  for (const planned of byPlace) {
    const { tag } = planned
    const last = requests.at(-1)
    const length = last && Math.max(last.length, tag.offset + tag.length - last.offset)
    if (last?.table === tag.table && length! <= (isBitTable(tag.table) ? MAX_BITS : MAX_REGISTERS)) {
      last.length = length!
      last.tags.push(planned)
    } else {
      requests.push({ table: tag.table, offset: tag.offset, length: tag.length, tags: [planned] })
    }
  }
  return requests
}

/** The same tags in two requests, for a device that refuses the whole because of one register in it. */
export function halveRequest(request: ModbusRequest): ModbusRequest[] {
  const middle = Math.ceil(request.tags.length / 2)
  return [request.tags.slice(0, middle), request.tags.slice(middle)].map((tags) => {
    const { offset } = tags[0]!.tag
    const end = Math.max(...tags.map(({ tag }) => tag.offset + tag.length))
    return { table: request.table, offset, length: end - offset, tags }
  })
}
