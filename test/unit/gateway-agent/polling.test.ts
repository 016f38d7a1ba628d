import { expect, it, onTestFinished } from 'vitest'
import type { DeviceConfiguration, Tag } from '../../../gateway-agent/src/configuration.ts'
import type { Reading } from '../../../gateway-agent/src/outbox.ts'
import { Polling } from '../../../gateway-agent/src/polling.ts'
import { startPlc } from '../../helpers/plc.ts'
import { silentLog } from './silent-log.ts'
import { waitFor } from './wait-for.ts'

const STOP_MS = 100

function start() {
  const links: boolean[] = []
  const readings: Reading[] = []
  const outbox = { add: (added: readonly Reading[]) => void readings.push(...added) }
  const polling = new Polling({ outbox, log: silentLog(), onLinkChange: () => links.push(polling.isUp) })
  onTestFinished(() => polling.stop(STOP_MS))
  return { polling, links, readings }
}

const modbus = (name: string, port: number, timeoutMs = 300): DeviceConfiguration => ({
  ...{ name, driver: 'modbus-tcp', host: '127.0.0.1', port, unitId: 1, timeoutMs },
})
const machineOn = (device: string) => {
  const tag: Tag = { name: 'count', address: 'holding:1', device, intervalMs: 50, scale: 1, offset: 0 }
  return { slug: `machine-of-${device}`, tags: [tag] }
}

it('a device that no tag is read from does not keep the link down, and is not told of', async () => {
  const plc = await startPlc()
  onTestFinished(() => plc.stop())
  const { polling, readings } = start()
  await polling.apply({ devices: [modbus('used', plc.port), modbus('spare', 9)], machines: [machineOn('used')] })
  await waitFor('a reading', () => readings.length > 0)
  expect(polling.isUp).toBe(true)
  expect([...polling.devices].map(({ configuration }) => configuration.name)).toEqual(['used'])
})

it('a switch that goes takes many devices along: that the link is down is told once, and that it is up again as well', async () => {
  const plc = await startPlc()
  onTestFinished(() => plc.stop())
  const names = Array.from({ length: 6 }, (_, index) => `plc-${index}`)
  const { polling, links } = start()
  await polling.apply({ devices: names.map((name) => modbus(name, plc.port)), machines: names.map(machineOn) })
  await waitFor('the link', () => polling.isUp)
  plc.silent = true
  const areDown = () => [...polling.devices].every(({ device }) => !device.isUp)
  await waitFor('all to be down', areDown, 10_000)
  plc.silent = false
  await waitFor('the link again', () => polling.isUp, 10_000)
  expect(links.slice(0, 3)).toEqual([true, false, true])
  // Under load a device may be slow once more, and that is told as well.
  expect(links.every((isUp, index) => isUp !== links[index - 1])).toBe(true)
})

it('a device that hangs does not hold up the stop', async () => {
  const plc = await startPlc()
  onTestFinished(() => plc.stop())
  plc.silent = true
  const { polling } = start()
  await polling.apply({ devices: [modbus('plc-1', plc.port, 5000)], machines: [machineOn('plc-1')] })
  await waitFor('a request', () => plc.asked > 0)
  const begin = performance.now()
  await polling.stop(STOP_MS)
  expect(performance.now() - begin).toBeLessThan(2000)
})
