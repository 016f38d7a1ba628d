import { expect, it } from 'vitest'
import { ReadingTime } from '../../../gateway-agent/src/reading-time.ts'

const at = (timestamp?: number) => ({
  value: 1,
  quality: 'good' as const,
  ...(timestamp !== undefined && { timestamp }),
})
const T = 1_800_000_000_000

it('a device that tells no times: the moment of the read', () => {
  const time = new ReadingTime()
  expect(time.of([at(), at()], T)).toBe(T)
  expect(time.of([at()], T + 1000)).toBe(T + 1000)
})

it('the newest change since the read before; the moment of the read when nothing has changed', () => {
  const time = new ReadingTime()
  // Subscribed long after its last change.
  expect(time.of([at(T - 60_000)], T)).toBe(T)
  expect(time.of([at(T - 60_000), at(T + 300), at(T + 700)], T + 1000)).toBe(T + 700)
  expect(time.of([at(T - 60_000), at(T + 300), at(T + 700)], T + 2000)).toBe(T + 2000)
})

it.each([
  ['an hour slow', -3_600_000],
  ['an hour fast', 3_600_000],
])('a device whose clock is %s is not believed', (_, skew) => {
  const time = new ReadingTime()
  time.of([at(T + skew)], T)
  expect(time.of([at(T + 500 + skew)], T + 1000)).toBe(T + 1000)
})

it('never goes back, except with the clock of the gateway', () => {
  const time = new ReadingTime()
  time.of([at(T - 5000)], T)
  // Slow by less than what is tolerated: earlier than what was said before.
  expect(time.of([at(T - 400)], T + 100)).toBe(T)
  expect(time.of([at(T - 400)], T - 3_600_000)).toBe(T - 3_600_000)
  expect(time.of([at(T - 3_599_500)], T - 3_599_000)).toBe(T - 3_599_000)
  // Fast by less than what is tolerated, and then nothing has changed.
  expect(time.of([at(T + 1900)], T + 1000)).toBe(T + 1900)
  expect(time.of([at(T + 1900)], T + 1100)).toBe(T + 1900)
  expect(time.of([at(T + 1900)], T + 2000)).toBe(T + 2000)
})
