import { expect, it } from 'vitest'
import { dayOf, daySpan, dayStart, localTimeOf, momentOf } from '../../../web/src/display/day-start.ts'

it.each([
  ['2026-01-31', 'America/Argentina/Buenos_Aires', '2026-01-31T03:00:00Z'],
  ['2026-01-31', 'UTC', '2026-01-31T00:00:00Z'],
  ['2026-03-29', 'Europe/Madrid', '2026-03-28T23:00:00Z'],
  ['2026-03-30', 'Europe/Madrid', '2026-03-29T22:00:00Z'],
  ['2026-10-25', 'Europe/Madrid', '2026-10-24T22:00:00Z'],
  ['2026-10-26', 'Europe/Madrid', '2026-10-25T23:00:00Z'],
  ['2026-04-05', 'Pacific/Auckland', '2026-04-04T11:00:00Z'],
  ['2026-06-01', 'Asia/Kolkata', '2026-05-31T18:30:00Z'],
  // Midnight is left out there, or comes twice.
  ['2026-09-06', 'America/Santiago', '2026-09-06T04:00:00Z'],
  ['2026-04-05', 'America/Santiago', '2026-04-05T04:00:00Z'],
  ['2026-11-01', 'America/Havana', '2026-11-01T04:00:00Z'],
])('%s begins in %s at %s', (day, timeZone, begin) => {
  expect(new Date(dayStart(day, timeZone)).toISOString()).toBe(begin.replace('Z', '.000Z'))
  expect(dayOf(Date.parse(begin), timeZone)).toBe(day)
  expect(dayOf(Date.parse(begin) - 1, timeZone)).not.toBe(day)
})

it.each([
  ['2026-01-31T10:30', 'America/Argentina/Buenos_Aires', '2026-01-31T13:30:00Z'],
  ['2026-03-29T01:59', 'Europe/Madrid', '2026-03-29T00:59:00Z'],
  ['2026-03-29T03:00', 'Europe/Madrid', '2026-03-29T01:00:00Z'],
  ['2026-06-01T00:15', 'Asia/Kolkata', '2026-05-31T18:45:00Z'],
])('clocks show %s in %s at %s', (local, timeZone, moment) => {
  expect(momentOf(local, timeZone)).toBe(Date.parse(moment))
  expect(localTimeOf(Date.parse(moment) + 59_999, timeZone)).toBe(local)
})

it('what is no time is no moment', () => expect(momentOf('', 'UTC')).toBeNaN())

it('an hour that is left out is the one after it', () =>
  expect(momentOf('2026-03-29T02:30', 'Europe/Madrid')).toBe(Date.parse('2026-03-29T01:30Z')))

it('from one day to another is both of them whole, and nothing where one is missing', () => {
  expect(daySpan('2026-10-25', '2026-10-25', 'Europe/Madrid')).toEqual({
    from: Date.parse('2026-10-24T22:00Z'),
    to: Date.parse('2026-10-25T23:00Z'),
  })
  expect(daySpan('', '2026-10-25', 'UTC')).toEqual({ from: 0, to: 0 })
  expect(daySpan('2026-10-25', '', 'UTC')).toEqual({ from: 0, to: 0 })
})
