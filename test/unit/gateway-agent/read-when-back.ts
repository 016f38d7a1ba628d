import type { Device } from '../../../gateway-agent/src/drivers/device.ts'
import type { DataValue, TagSource } from '../../../gateway-agent/src/drivers/driver.ts'
import { waitFor } from './wait-for.ts'

/** Reads again and again, as the poller does, until the device answers; what it says then. */
export async function readWhenBack(device: Device, tags: readonly TagSource[]): Promise<readonly DataValue[]> {
  let seen: readonly DataValue[] | undefined
  const poll = setInterval(
    () =>
      void device.read(tags).then(
        (values) => (seen ??= values),
        () => undefined,
      ),
    50,
  )
  try {
    await waitFor('the device to answer again', () => seen !== undefined)
    return seen!
  } finally {
    clearInterval(poll)
  }
}
