import { RUNNING_WORDS, STOPPED_WORDS } from '../../../schemas/conditions.ts'
import type { TagView } from './machine-view.ts'

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
  if (RUNNING_WORDS.includes(word)) return true
  return STOPPED_WORDS.includes(word) ? false : undefined
}

export function tellsRunState(tagName: string): boolean {
  return tagName === 'running' || tagName === 'state'
}
