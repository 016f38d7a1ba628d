import type { QuietHours } from '../../schemas/alarm-requests.ts'
import { Severity } from '../../schemas/alarms.ts'

/** Whether a person is not to be disturbed by an alarm of this severity at this moment (epoch ms). */
export function isQuiet(hours: QuietHours | null, severity: Severity, now: number): boolean {
  if (hours === null) return false
  const { from, to, timeZone, exceptFrom } = hours
  if (exceptFrom !== null && Severity.options.indexOf(severity) >= Severity.options.indexOf(exceptFrom)) return false
  const format = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  const time = format.format(now)
  return from < to ? from <= time && time < to : time >= from || time < to
}
