import { Severity, type Alarm } from '../../../../schemas/alarms.ts'
import type { OpenAlarms } from '../../api/alarm-counts-store.ts'

/** Of those that are kept from view nothing is counted. */
export function openAlarmsOf(alarms: Iterable<Alarm>): OpenAlarms {
  const shown = [...alarms].filter(({ suppression }) => suppression === null)
  return {
    count: shown.length,
    unacknowledged: shown.filter(({ state }) => state === 'unacknowledged' || state === 'returned').length,
    worst: Severity.options.findLast((severity) => shown.some((each) => each.severity === severity)),
  }
}
