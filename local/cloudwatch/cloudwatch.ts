/** The metrics of this cloud, and the alarms of its templates over them. */
import type { Queue } from '../sqs/queue-server.ts'
import { Alarm } from './alarm.ts'
import type { DataPoint } from './emf.ts'
import { readEmf } from './emf.ts'
import { MetricStore } from './metric-store.ts'
import { PrometheusText } from './prometheus-text.ts'
import { countQueue, sampleQueue } from './queue-metrics.ts'
import type { AlarmSettings } from './read-alarms.ts'

/** CloudWatch looks each minute; here people and tests wait for it. */
const EVERY_MS = 2_000
const MINUTE_MS = 60_000

export class CloudWatch {
  readonly store = new MetricStore()
  /** Our own metrics since the start. */
  readonly prometheus = new PrometheusText()
  readonly alarms: Alarm[]
  readonly #queues: Queue[]
  readonly #now: () => number
  readonly #samples: (() => Omit<DataPoint, 'at'>)[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(alarms: AlarmSettings[], queues: Queue[], now = Date.now) {
    this.alarms = alarms.map((settings) => new Alarm(settings))
    this.#queues = queues
    this.#now = now
    for (const queue of queues) countQueue(queue, (point) => this.store.add({ ...point, at: now() }))
  }

  /** Asks for a value of it each time it looks. */
  sample(one: () => Omit<DataPoint, 'at'>): void {
    this.#samples.push(one)
  }

  /** `say` hears of each alarm that begins or ends. */
  start(say: (line: string) => void): void {
    this.#timer = setInterval(() => {
      for (const { state, settings, value } of this.tick())
        say(`${state}: ${settings.name} (${String(value ?? 'no data')}, rings at ${settings.condition})`)
    }, EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Takes a log line when it is an EMF document, and says whether it was one. Throws for one that CloudWatch would not take. */
  takeLine(line: string): boolean {
    const points = readEmf(line)
    for (const point of points ?? []) {
      this.store.add(point)
      this.prometheus.add(point)
    }
    return points !== undefined
  }

  /** As AWS Lambda counts an invocation that is over. */
  countInvocation(functionName: string, durationMs: number, hasFailed: boolean): void {
    const of = (name: string, value: number): DataPoint => ({
      ...{
        namespace: 'AWS/Lambda',
        name,
        dimensions: { FunctionName: functionName },
        at: this.#now(),
        values: [value],
      },
    })
    this.store.add(of('Invocations', 1))
    this.store.add(of('Errors', Number(hasFailed)))
    this.store.add(of('Duration', durationMs))
  }

  /** Looks at the queues, and judges every alarm over what came until the end of this minute; gives those that have changed from or to ALARM. */
  tick(): Alarm[] {
    const now = this.#now()
    for (const queue of this.#queues) sampleQueue(queue, now, (point) => this.store.add(point))
    for (const sample of this.#samples) this.store.add({ ...sample(), at: now })
    const end = (Math.floor(now / MINUTE_MS) + 1) * MINUTE_MS
    return this.alarms.filter((alarm) => {
      const rang = alarm.state === 'ALARM'
      if (!alarm.evaluate(this.store, end)) return false
      alarm.since = now
      return rang || alarm.state === 'ALARM'
    })
  }
}
