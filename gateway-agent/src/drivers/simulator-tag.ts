import { choiceOf } from '../did-you-mean.ts'
import { SourceError, type TagSource } from './driver.ts'

export const WAVES = ['sine', 'ramp', 'counter', 'random-walk', 'square'] as const
export type Wave = (typeof WAVES)[number]

/** What follows "?" in an address, and its defaults. */
const DEFAULTS = { min: 0, max: 100, periodMs: 60_000, step: 1 }
const SETTINGS: Record<Wave, readonly (keyof typeof DEFAULTS)[]> = {
  sine: ['min', 'max', 'periodMs'],
  ramp: ['min', 'max', 'periodMs'],
  square: ['min', 'max', 'periodMs'],
  'random-walk': ['min', 'max', 'step'],
  counter: ['periodMs'],
}

export type SimulatorTag =
  | ({ wave: Wave; isBool: boolean } & typeof DEFAULTS)
  /** A column of the device's CSV file. */
  | { column: string }

const EXAMPLES = 'with settings as in sine?min=0&max=100&periodMs=60000, or replay: and a column of the file'

/** Throws SourceError. */
export function parseSimulatorTag({ address, type, order, length }: TagSource): SimulatorTag {
  if (order !== undefined) throw new SourceError('order', 'means nothing for the simulator; remove it')
  if (length !== undefined) throw new SourceError('length', 'means nothing for the simulator; remove it')
  const isBool = type === 'bool'
  if (type !== undefined && !(isBool && /^square(\?|$)/.test(address))) {
    throw new SourceError('type', 'means nothing for the simulator, only square may be bool; remove it')
  }
  const column = /^replay:(.+)$/.exec(address)?.[1]
  if (column !== undefined) return { column }
  const [name = '', query = ''] = address.split('?', 2)
  const wave = WAVES.find((each) => each === name)
  if (!wave) {
    throw new SourceError('address', `"${address}" is no signal; ${choiceOf(name, WAVES)}, ${EXAMPLES}`)
  }
  // A counter counts seconds unless told otherwise.
  const settings = { ...DEFAULTS, ...(wave === 'counter' && { periodMs: 1000 }) }
  for (const [key, text] of new URLSearchParams(query)) {
    const setting = SETTINGS[wave].find((each) => each === key)
    if (!setting) {
      throw new SourceError('address', `"${key}" is no setting of ${wave}; ${choiceOf(key, SETTINGS[wave])}`)
    }
    const value = text === '' ? Number.NaN : Number(text)
    if (!Number.isFinite(value)) throw new SourceError('address', `${key} of "${address}" must be a number`)
    settings[setting] = value
  }
  if (settings.periodMs <= 0) throw new SourceError('address', `periodMs of "${address}" must be more than 0`)
  if (settings.min >= settings.max) throw new SourceError('address', `min of "${address}" must be less than max`)
  return { wave, isBool, ...settings }
}
