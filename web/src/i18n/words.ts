import { computed } from 'vue'
import { ageOf, partsOf } from '../display/ages.ts'
import type { Scalar } from '../../../schemas/telemetry.ts'
import { decimalsFor, formatNumber, formatTickNumber, formatWritten } from '../display/numbers.ts'
import {
  formatDateTime,
  formatExactTime,
  formatShortTime,
  formatTick,
  formatTime,
  timeZoneName,
} from '../display/times.ts'
import { i18n } from './i18n.ts'
import { formatLocale } from './languages.ts'

type Words = ReturnType<typeof createWords>
let words: Words | undefined

/** Numbers, ages and times in the reader's language. The same for all components: a screen of tiles has hundreds. */
export const useWords = (): Words => (words ??= createWords())

function createWords() {
  const { t } = i18n.global
  const numbersLocale = computed(() => formatLocale(i18n.global.locale.value, navigator.languages))

  return {
    locale: numbersLocale,
    tickNumber: (value: number, step: number) => formatTickNumber(value, step, numbersLocale.value),
    tickTime: (at: number, stepMs: number, isFirst: boolean, timeZone: string) =>
      formatTick(at, stepMs, isFirst, numbersLocale.value, timeZone),
    shortTime: (at: number, timeZone: string) => formatShortTime(at, numbersLocale.value, timeZone),
    number: (value: number, decimals?: number) => formatNumber(value, numbersLocale.value, decimals),
    /** With the decimals that a person gave it. */
    asWritten: (value: number) => formatWritten(value, numbersLocale.value),
    /** Of a tag, without its unit. A number whose tag's decimals are not known is shown with those that suit it. */
    scalar: (value: Exclude<Scalar, null>, decimals?: number) => {
      if (typeof value === 'boolean') return t(`value.${value}`)
      return typeof value === 'number'
        ? formatNumber(value, numbersLocale.value, decimals ?? decimalsFor(value))
        : value
    },
    dateTime: (at: number, timeZone?: string) => formatDateTime(at, numbersLocale.value, timeZone),
    time: (at: number, timeZone?: string) => formatTime(at, numbersLocale.value, timeZone),
    zone: (timeZone: string, at: number) => timeZoneName(timeZone, numbersLocale.value, at),
    /** To the millisecond. */
    exactTime: (at: number, timeZone: string) => formatExactTime(at, numbersLocale.value, timeZone),
    /** "180 ms", "1.2 s", "4 min". */
    delay: (ms: number) => {
      if (ms < 1000) return t('span.ms', { n: Math.round(ms) })
      if (ms < 10_000) return t('span.s', { n: formatNumber(ms / 1000, numbersLocale.value, 1) })
      const { unit, count } = ageOf(ms)
      return unit === 'now' ? '' : t(`span.${unit}`, { n: count })
    },
    /** "3 d 4 h": two units, where one would say too little. */
    longSpan: (ms: number) =>
      partsOf(ms)
        .map(({ unit, count }) => t(`span.${unit}`, { n: count }))
        .join(' '),
    /** "4 min ago". */
    age: (ms: number) => {
      const { unit, count } = ageOf(ms)
      return unit === 'now' ? t('age.now') : t(`age.${unit}`, { n: count })
    },
    /** "4 min". */
    span: (ms: number) => {
      const { unit, count } = ageOf(ms)
      return unit === 'now' ? t('span.s', { n: Math.max(0, Math.floor(ms / 1000)) }) : t(`span.${unit}`, { n: count })
    },
  }
}
