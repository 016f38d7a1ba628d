import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TagSource } from '../../../gateway-agent/src/drivers/driver.ts'
import { createSimulator } from '../../../gateway-agent/src/drivers/simulator.ts'
import { temporaryFolder } from './temporary-folder.ts'

const source = (address: string, more: Partial<TagSource> = {}): TagSource => ({ name: address, address, ...more })

/** A simulator whose clock the test turns; it begins at a full minute. */
async function simulate(file?: string) {
  let nowMs = 60_000_000
  const driver = createSimulator({ file }, () => nowMs)
  await driver.connect()
  return {
    driver,
    /** Values of one tag at these times after the beginning. */
    at: async (tag: TagSource, ...times: number[]) => {
      const values = []
      for (const time of times) {
        nowMs = 60_000_000 + time
        values.push((await driver.read([tag]))[0]!.value)
      }
      return values
    },
  }
}

describe('the simulator', () => {
  it('waves follow the clock', async () => {
    const { at } = await simulate()
    const quarters = [0, 15_000, 30_000, 45_000, 60_000]
    const sine = (await at(source('sine?min=-10&max=10'), ...quarters)) as number[]
    expect(sine.map((value) => Math.round(value * 1e9) / 1e9 + 0)).toEqual([0, 10, 0, -10, 0])
    expect(await at(source('ramp'), ...quarters)).toEqual([0, 25, 50, 75, 0])
    expect(await at(source('square?max=5'), ...quarters)).toEqual([0, 0, 5, 5, 0])
    expect(await at(source('square', { type: 'bool' }), ...quarters)).toEqual([false, false, true, true, false])
    expect(await at(source('ramp?periodMs=1000&min=0&max=1'), 0, 250, 1250)).toEqual([0, 0.25, 0.25])
  })

  it('a counter counts since the connection', async () => {
    const { at } = await simulate()
    expect(await at(source('counter'), 0, 999, 1000, 61_000)).toEqual([0, 0, 1, 61])
    expect(await at(source('counter?periodMs=100'), 1000)).toEqual([10])
  })

  it('a random walk takes small steps between its limits', async () => {
    const { at } = await simulate()
    const walk = (await at(
      source('random-walk?min=0&max=3&step=2'),
      ...Array.from({ length: 200 }, (_, n) => n),
    )) as number[]
    expect(Math.min(...walk)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...walk)).toBeLessThanOrEqual(3)
    expect(new Set(walk).size).toBeGreaterThan(20)
    for (const [index, value] of walk.entries())
      expect(Math.abs(value - (walk[index - 1] ?? value))).toBeLessThanOrEqual(2.00001)
  })

  it('replays a file with its own timing, again and again', async () => {
    const file = join(temporaryFolder(), 'run.csv')
    writeFileSync(
      file,
      'time,level,"state, text",on\r\n2026-01-01T00:00:00Z,1.5,RUN,true\r\n2026-01-01T00:00:01Z,,"""STOP"", now",false\r\n2026-01-01T00:00:03.000Z,2,,true\r\n',
    )
    const { driver, at } = await simulate(file)
    expect(await at(source('replay:level'), 0, 999, 1000, 3000, 4999, 5000)).toEqual([1.5, 1.5, null, 2, 2, 1.5])
    expect(await at(source('replay:state, text'), 0, 1000)).toEqual(['RUN', '"STOP", now'])
    expect(await at(source('replay:on'), 0, 1000, 3000)).toEqual([true, false, true])
    expect(await driver.read([source('replay:other')])).toEqual([
      { value: null, quality: 'bad', fault: 'the file has no column other' },
    ])
  })

  it('a file that is not there is told at the connection', async () => {
    await expect(createSimulator({ file: '/nowhere/run.csv' }).connect()).rejects.toThrow(
      'cannot read /nowhere/run.csv: ENOENT',
    )
    await expect(createSimulator({}).read([source('sine')])).rejects.toThrow('not connected')
  })
})
