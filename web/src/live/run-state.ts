import type { TagView } from './machine-view.ts'

/** Words of a `state` tag that say it runs or stands still, in lower case. Any other word is only shown. */
const RUNNING_WORDS = new Set(['run', 'running', 'on', 'auto', 'en marcha', 'marcha', 'en_marcha'])
const STOPPED_WORDS = new Set(['stop', 'stopped', 'off', 'idle', 'standby', 'detenida', 'detenido', 'parada', 'parado'])

/**
 * Whether the machine runs, as its own tags say: a boolean `running` decides, else the word in `state`. Undefined when
 * neither says so.
 */
export function isRunning(tags: ReadonlyMap<string, TagView>): boolean | undefined {
  const running = tags.get('running')
  if (typeof running?.value === 'boolean' && running.quality === 'good') return running.value
  const state = tags.get('state')
  if (typeof state?.value !== 'string' || state.quality !== 'good') return undefined
  const word = state.value.trim().toLowerCase()
  if (RUNNING_WORDS.has(word)) return true
  return STOPPED_WORDS.has(word) ? false : undefined
}

export function tellsRunState(tagName: string): boolean {
  return tagName === 'running' || tagName === 'state'
}
