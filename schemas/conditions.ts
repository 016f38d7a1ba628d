/** What is said of a machine in one word, by the page and by the API alike. `silent`: it has never sent a reading. */
import * as v from 'valibot'

export const Condition = v.picklist(['running', 'stopped', 'reporting', 'bad', 'stale', 'offline', 'silent'])
export type Condition = v.InferOutput<typeof Condition>

/** Words of a `state` tag that say it runs or stands still, in lower case. Any other word is only shown. */
export const RUNNING_WORDS = ['run', 'running', 'on', 'auto', 'en marcha', 'marcha', 'en_marcha']
export const STOPPED_WORDS = ['stop', 'stopped', 'off', 'idle', 'standby', 'detenida', 'detenido', 'parada', 'parado']

/** A machine that reports by exception and is steady sends every 10 s, however often it sent before: 3 of those. */
export const STALE_AFTER_LEAST_MS = 30_000

/** A gateway's clock that is wrong by more than this is corrected for. Below, it may be a heartbeat's delay. */
export const CLOCK_SKEW_FROM_MS = 5_000
