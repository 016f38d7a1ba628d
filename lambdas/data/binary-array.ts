/**
 * Arrays as Postgres sends and receives them in binary format: pg hands a Buffer over as it is, and Postgres reads it in
 * half the time of the same array as text. Layout (array_recv in the server's arrayfuncs.c): dimensions, whether nulls
 * may occur, type of the elements, length, lower bound; then each element's bytes behind their number, -1 for null.
 */
const HEADER_BYTES = 20
const INT8 = { oid: 20, bytes: 8 }
const UUID = { oid: 2950, bytes: 16 }

/** `int8[]` of safe integers. */
export const int8Array = (numbers: number[]): Buffer =>
  binaryArray(INT8, numbers, (buffer, number, at) => {
    buffer.writeInt32BE(Math.floor(number / 2 ** 32), at)
    buffer.writeUInt32BE(number >>> 0, at + 4)
  })

/** `uuid[]` of uuids as text, with or without hyphens. */
export const uuidArray = (uuids: (string | null)[]): Buffer => binaryArray(UUID, uuids, writeHex)

/** Half the time of Node's own, which needs a text without hyphens. */
function writeHex(buffer: Buffer, uuid: string, at: number): void {
  let end = at
  for (let place = 0; place < uuid.length; place += 2) {
    if (uuid[place] === '-') place += 1
    buffer[end++] = (HEX_DIGIT[uuid.charCodeAt(place)]! << 4) | HEX_DIGIT[uuid.charCodeAt(place + 1)]!
  }
}
const HEX_DIGIT = Uint8Array.from({ length: 128 }, (_, code) => parseInt(String.fromCharCode(code), 16))

function binaryArray<Element>(
  { oid, bytes }: typeof INT8,
  elements: (Element | null)[],
  write: (buffer: Buffer, element: Element, at: number) => void,
): Buffer {
  const buffer = Buffer.alloc(HEADER_BYTES + elements.length * (4 + bytes))
  let end = 0
  for (const value of [1, 1, oid, elements.length, 1]) end = buffer.writeInt32BE(value, end)
  for (const element of elements) {
    end = buffer.writeInt32BE(element === null ? -1 : bytes, end)
    if (element === null) continue
    write(buffer, element, end)
    end += bytes
  }
  return buffer.subarray(0, end)
}
