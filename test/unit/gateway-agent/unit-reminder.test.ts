import { expect, it } from 'vitest'
import { UNITS_AGAIN_MS, UnitReminder } from '../../../gateway-agent/src/unit-reminder.ts'

it('gives a unit with the first message of its tag, and again after a minute, whatever the other tags do', () => {
  const units = new UnitReminder([{ name: 'fast', unit: 'bar' }, { name: 'slow', unit: '°C' }, { name: 'running' }])
  const due = (tags: string[], nowMs: number) => Object.fromEntries(units.due(tags, nowMs))
  expect(due(['fast', 'running'], 1000)).toEqual({ fast: 'bar' })
  expect(due(['fast', 'slow', 'running'], 6000)).toEqual({ slow: '°C' })
  expect(due(['fast', 'slow'], 999 + UNITS_AGAIN_MS)).toEqual({})
  expect(due(['fast', 'slow'], 1000 + UNITS_AGAIN_MS)).toEqual({ fast: 'bar' })
  expect(due(['slow'], 6000 + UNITS_AGAIN_MS)).toEqual({ slow: '°C' })
})
