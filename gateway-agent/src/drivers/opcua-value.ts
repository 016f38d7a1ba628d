import { DataType, VariantArrayType, type DataValue as UaValue } from 'node-opcua-client'
import { bad, good, real, shortestFloat32, text, wide } from './data-value.ts'
import type { DataValue } from './driver.ts'

/** What an OPC UA server says of a node, with its status (OPC 10000-4, 7.38) and the time at which its source had the value. */
export function decodeOpcUa({ value: variant, statusCode, sourceTimestamp, serverTimestamp }: UaValue): DataValue {
  const timestamp = (sourceTimestamp ?? serverTimestamp)?.getTime()
  const isUncertain = !statusCode.isBad() && !statusCode.isGood()
  const read = statusCode.isBad() ? bad(`the server says ${statusCode.name}`) : decodeVariant(variant)
  return {
    ...read,
    ...(isUncertain &&
      read.quality === 'good' && { quality: 'uncertain', fault: `the server says ${statusCode.name}` }),
    ...(timestamp !== undefined && { timestamp }),
  }
}

function decodeVariant({ dataType, arrayType, value }: UaValue['value']): DataValue {
  if (arrayType !== VariantArrayType.Scalar) return bad('an array; only single values can be sent')
  // The library's types say any: what it holds follows from dataType.
  const held = value as unknown
  if (held === null || held === undefined) return bad('the node has no value')
  switch (dataType) {
    case DataType.Boolean:
    case DataType.SByte:
    case DataType.Byte:
    case DataType.Int16:
    case DataType.UInt16:
    case DataType.Int32:
    case DataType.UInt32:
      return good(held as number | boolean)
    case DataType.Int64:
      return wide(BigInt.asIntN(64, joined(held as [number, number])))
    case DataType.UInt64:
      return wide(joined(held as [number, number]))
    case DataType.Float:
      return real(shortestFloat32(held as number))
    case DataType.Double:
      return real(held as number)
    case DataType.String:
    case DataType.Guid:
      return text(held as string)
    case DataType.DateTime:
      return good((held as Date).toISOString())
    case DataType.LocalizedText:
      return text((held as { text?: string | null }).text ?? '')
    case DataType.QualifiedName:
      return text((held as { name?: string | null }).name ?? '')
    case DataType.StatusCode:
      return text((held as { name: string }).name)
    default:
      return bad(`a value of type ${DataType[dataType]}; numbers, bits and texts can be sent`)
  }
}

/** The library gives 64 bit as two halves, the more significant first. */
const joined = ([high, low]: [number, number]) => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
