import { resolve } from 'node:path'
import type { ConfigurationFile } from '../configuration-schema.ts'
import { SourceError, type TagSource, type ValueKind } from './driver.ts'
import { parseModbusTag } from './modbus-tag.ts'
import { checkOpcUaTag } from './opcua-tag.ts'
import { readReplay } from './replay-file.ts'
import { parseS7Tag } from './s7-tag.ts'
import { parseSimulatorTag } from './simulator-tag.ts'

/**
 * Checks a tag against the rules of its device's driver, whose library is not loaded for it; relative files count from
 * `folder`. Throws SourceError.
 */
export function kindOfSource(
  device: ConfigurationFile['devices'][number],
  source: TagSource,
  folder: string,
): ValueKind {
  switch (device.driver) {
    case 'modbus-tcp':
    case 'modbus-rtu': {
      const { type } = parseModbusTag(source)
      return type === 'bool' ? 'bool' : type === 'string' ? 'text' : 'number'
    }
    case 's7': {
      const { type } = parseS7Tag(source)
      return type === 'BOOL' ? 'bool' : type === 'STRING' || type === 'DATE_AND_TIME' ? 'text' : 'number'
    }
    case 'opcua':
      checkOpcUaTag(source)
      return 'any'
    case 'simulator': {
      const tag = parseSimulatorTag(source)
      if ('wave' in tag) return tag.isBool ? 'bool' : 'number'
      checkColumn(tag.column, device.file && resolve(folder, device.file))
      return 'any'
    }
  }
}

function checkColumn(column: string, file: string | undefined): void {
  if (!file) throw new SourceError('address', `"replay:${column}" needs a CSV file; name it as file of the device`)
  let columns: readonly string[]
  try {
    ;({ columns } = readReplay(file))
  } catch {
    return // the device's own mistake
  }
  if (columns.includes(column)) return
  throw new SourceError('address', `"${column}" is no column of ${file}; allowed: ${columns.join(', ')}`)
}
