import type { S7Area, S7Tag } from './s7-tag.ts'

/** Bytes of a request and of an answer besides their items; header and parameters. */
const REQUEST_HEAD = 12
const ANSWER_HEAD = 14
/** Bytes of one item: its address in the request, its header in the answer. */
const REQUEST_ITEM = 12
const ANSWER_ITEM = 4

/** Consecutive bytes of one area, and the tags in them by their place in the list that the caller gave. */
export interface S7Range {
  area: S7Area
  db: number
  start: number
  length: number
  tags: { index: number; tag: S7Tag }[]
}

/** Bytes `offset` to `offset + length` of a range: all of it, unless it holds one tag that is longer than a PDU. */
export interface S7Item {
  range: S7Range
  offset: number
  length: number
}

const longestItem = (pduBytes: number) => pduBytes - ANSWER_HEAD - ANSWER_ITEM

/**
 * The ranges that cover all tags. A gap is read as well as long as it costs no more than an item of its own. A tag is
 * never cut, so that no value is put together of two moments, unless it is longer than a PDU.
 */
export function planRanges(tags: readonly S7Tag[], pduBytes: number): S7Range[] {
  const byPlace = tags
    .map((tag, index) => ({ index, tag }))
    .sort((a, b) => a.tag.area.localeCompare(b.tag.area) || a.tag.db - b.tag.db || a.tag.start - b.tag.start)
  const ranges: S7Range[] = []
  for (const planned of byPlace) {
    const { area, db, start, bytes } = planned.tag
    const last = ranges.at(-1)
    const isNear =
      last?.area === area && last.db === db && start <= last.start + last.length + REQUEST_ITEM + ANSWER_ITEM
    const length = isNear ? Math.max(last.length, start + bytes - last.start) : bytes
    if (isNear && length <= longestItem(pduBytes)) {
      last.length = length
      last.tags.push(planned)
    } else ranges.push({ area, db, start, length: bytes, tags: [planned] })
  }
  return ranges
}

/** Each tag in a range of its own, for a PLC that refuses the whole because of one of them. */
export const splitRange = ({ area, db, tags }: S7Range): S7Range[] =>
  tags.map((planned) => ({ area, db, start: planned.tag.start, length: planned.tag.bytes, tags: [planned] }))

/** Requests of as many items as fit into a PDU, asked and answered. */
export function packItems(ranges: readonly S7Range[], pduBytes: number): S7Item[][] {
  const requests: S7Item[][] = []
  let askedBytes = Infinity
  let answerBytes = Infinity
  for (const item of ranges.flatMap((range) => itemsOf(range, longestItem(pduBytes)))) {
    const itemBytes = ANSWER_ITEM + item.length + (item.length % 2)
    if (askedBytes + REQUEST_ITEM > pduBytes || answerBytes + itemBytes > pduBytes) {
      requests.push([])
      askedBytes = REQUEST_HEAD
      answerBytes = ANSWER_HEAD
    }
    requests.at(-1)!.push(item)
    askedBytes += REQUEST_ITEM
    answerBytes += itemBytes
  }
  return requests
}

function itemsOf(range: S7Range, longest: number): S7Item[] {
  const items: S7Item[] = []
  for (let offset = 0; offset < range.length; offset += longest) {
    items.push({ range, offset, length: Math.min(longest, range.length - offset) })
  }
  return items
}
