import type { DeviceConfiguration } from '../configuration.ts'
import type { Driver } from './driver.ts'

/** Each driver is imported only when a device needs it: its library is memory that a small gateway has not to spare. */
export async function openDriver(device: DeviceConfiguration): Promise<Driver> {
  const { createModbusTcp } = await import('./modbus.ts')
  return createModbusTcp(device)
}
