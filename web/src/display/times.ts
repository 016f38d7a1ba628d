const formats = new Map<string, Intl.DateTimeFormat>()

/** Making a format costs far more than using it, and a busy page formats thousands of times a second. */
function formatOf(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale} ${JSON.stringify(options)}`
  let format = formats.get(key)
  if (!format) {
    format = new Intl.DateTimeFormat(locale, options)
    formats.set(key, format)
  }
  return format
}

/** Day and time to the second, 24 hours, in a time zone that is named: "24/11/2025, 10:03:12 GMT-3". */
export function formatDateTime(at: number, locale: string, timeZone: string | undefined): string {
  return formatOf(locale, {
    day: '2-digit',
    month: '2-digit',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZone,
    timeZoneName: 'short',
  }).format(at)
}

/** Hour, minute and second in the time zone of the plant. */
export function formatTime(at: number, locale: string, timeZone: string | undefined): string {
  return formatOf(locale, { timeStyle: 'medium', hourCycle: 'h23', timeZone }).format(at)
}

/** How people of the plant call its time zone: "hora estándar de Argentina". */
export function timeZoneName(timeZone: string, locale: string, at: number): string {
  const parts = formatOf(locale, { timeZone, timeZoneName: 'long' }).formatToParts(at)
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? timeZone
}

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** Label of a time axis: as exact as its steps, and with the day where one begins. */
export function formatTick(at: number, stepMs: number, isFirst: boolean, locale: string, timeZone: string): string {
  const day = formatOf(locale, { day: '2-digit', month: '2-digit', timeZone })
  if (stepMs >= DAY_MS) return day.format(at)
  const time = formatOf(locale, {
    hour: '2-digit',
    minute: '2-digit',
    ...(stepMs < MINUTE_MS && { second: '2-digit' }),
    hourCycle: 'h23',
    timeZone,
  }).format(at)
  return isFirst || /^0+(:00)+$/.test(time) ? `${time}\n${day.format(at)}` : time
}

/** Day and time to the minute, for a range of time: "24/11, 10:03". */
export function formatShortTime(at: number, locale: string, timeZone: string): string {
  return formatOf(locale, {
    day: '2-digit',
    month: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZone,
  }).format(at)
}

/** Day and time to the millisecond: "24/11, 10:03:12,250". */
export function formatExactTime(at: number, locale: string, timeZone: string): string {
  return formatOf(locale, {
    day: '2-digit',
    month: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    fractionalSecondDigits: 3,
    hourCycle: 'h23',
    timeZone,
  }).format(at)
}
