import type { DeviceConfiguration } from '../configuration.ts'
import type { Driver } from './driver.ts'

/** Each driver is imported only when a device needs it: its library is memory that a small gateway has not to spare. */
export async function openDriver(device: DeviceConfiguration): Promise<Driver> {
  switch (device.driver) {
    case 'modbus-tcp':
      return (await import('./modbus.ts')).createModbusTcp(device)
    case 'modbus-rtu':
      return (await import('./modbus.ts')).createModbusRtu(device)
    case 's7':
      return (await import('./s7.ts')).createS7(device)
    case 'opcua':
      return (await import('./opcua.ts')).createOpcUa(device)
    case 'simulator':
      return (await import('./simulator.ts')).createSimulator(device)
  }
}

/** Where a device is, as a person would say it. */
export function placeOf(device: DeviceConfiguration): string {
  switch (device.driver) {
    case 'modbus-tcp':
      return `${device.host}:${device.port}`
    case 'modbus-rtu':
      return `${device.path}, unit ${device.unitId}`
    case 's7':
      return `${device.host}:${device.port}, rack ${device.rack}, slot ${device.slot}`
    case 'opcua':
      return device.endpoint
    case 'simulator':
      return device.file ?? 'simulated'
  }
}
