import { type AlarmSettings, MISSING_DATA } from './read-alarms.ts'
import type { MetricStore } from './metric-store.ts'

export type AlarmState = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA'

/**
 * Periods beside those to evaluate that CloudWatch reads, to have enough points when some are missing. It says no number; its
 * own examples read five for three.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
 */
const SPARE_PERIODS = 2

export class Alarm {
  readonly settings: AlarmSettings
  state: AlarmState = 'INSUFFICIENT_DATA'
  /** Epoch ms of the last change; whoever evaluates it keeps it. */
  since = 0
  /** The newest value that was compared. */
  value: number | undefined

  constructor(settings: AlarmSettings) {
    this.settings = settings
  }

  toJSON() {
    const { settings, state, since, value } = this
    return {
      name: settings.name,
      description: settings.description,
      condition: settings.condition,
      state,
      since,
      value,
    }
  }

  /**
   * Judges the periods that end at `now` (epoch ms), a sliding window. Says whether the state has changed.
   * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
   */
  evaluate(store: MetricStore, now: number): boolean {
    const { evaluationPeriods } = this.settings
    // The newest first.
    const points = Array.from({ length: evaluationPeriods + SPARE_PERIODS }, (_, ago) => this.#valueAt(store, now, ago))
    this.value = points.find((value) => value !== undefined)
    const next = this.#judge(points)
    if (next === this.state) return false
    this.state = next
    return true
  }

  #valueAt(store: MetricStore, now: number, periodsAgo: number): number | undefined {
    const { periodMs, queries, value } = this.settings
    const to = now - periodsAgo * periodMs
    const values = Object.entries(queries).map(
      ([id, { metric, statistic }]) => [id, store.statistic(metric, statistic, to - periodMs, to)] as const,
    )
    return value(Object.fromEntries(values))
  }

  #judge(points: (number | undefined)[]): AlarmState {
    const { evaluationPeriods, datapointsToAlarm, breaches, treatMissingData } = this.settings
    const present = points.filter((value) => value !== undefined)
    if (present.length === 0 && treatMissingData === 'missing') return 'INSUFFICIENT_DATA'
    if (present.length === 0 && treatMissingData === 'ignore') return this.state
    // Enough points, though not the newest ones: those that are there are judged, and nothing is filled in.
    const judged: (boolean | undefined)[] =
      present.length >= evaluationPeriods
        ? present.slice(0, evaluationPeriods).map(breaches)
        : [
            ...present.map(breaches),
            ...Array<boolean | undefined>(evaluationPeriods - present.length).fill(MISSING_DATA[treatMissingData]),
          ]
    if (judged.filter((breach) => breach === true).length >= datapointsToAlarm) return 'ALARM'
    const unknown = judged.filter((breach) => breach === undefined).length
    return unknown > 0 && treatMissingData === 'ignore' ? this.state : 'OK'
  }
}
