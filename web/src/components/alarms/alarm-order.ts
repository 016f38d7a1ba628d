import { Severity, type Alarm } from '../../../../schemas/alarms.ts'

const needsSomebody = ({ state }: Alarm) => state === 'unacknowledged' || state === 'returned'

/** The worst first, of equal ones those that nobody has seen, then the newest. */
export function compareAlarms(a: Alarm, b: Alarm): number {
  return (
    Severity.options.indexOf(b.severity) - Severity.options.indexOf(a.severity) ||
    Number(needsSomebody(b)) - Number(needsSomebody(a)) ||
    b.raisedAt - a.raisedAt
  )
}
