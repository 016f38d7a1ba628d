import { bad, good, real, text } from './data-value.ts'
import type { DataValue, Driver, TagSource } from './driver.ts'
import { readReplay, type Replay } from './replay-file.ts'
import { parseSimulatorTag, type SimulatorTag } from './simulator-tag.ts'

type WaveTag = Extract<SimulatorTag, { wave: unknown }>

/**
 * Values without a PLC, for trying. Waves follow the clock, so that they go on where they were after a restart; `file`
 * is the CSV of the tags that replay a column, from its beginning at each connection.
 */
export function createSimulator({ file }: { file?: string | undefined }, now: () => number = Date.now): Driver {
  const walks = new WeakMap<TagSource, number>()
  let replay: Replay | undefined
  let startedAt: number | undefined

  function valueOf(source: TagSource): DataValue {
    const tag = parseSimulatorTag(source)
    const elapsedMs = now() - startedAt!
    if ('column' in tag) {
      if (!replay?.columns.includes(tag.column)) return bad(`the file has no column ${tag.column}`)
      const value = replay.at(tag.column, elapsedMs)
      if (value === null) return bad('the file has no value at this time')
      return typeof value === 'string' ? text(value) : good(value)
    }
    if (tag.wave === 'counter') return good(Math.floor(elapsedMs / tag.periodMs))
    if (tag.wave === 'random-walk') {
      const last = walks.get(source) ?? (tag.min + tag.max) / 2
      const next = Math.min(tag.max, Math.max(tag.min, last + (Math.random() * 2 - 1) * tag.step))
      walks.set(source, next)
      return rounded(next)
    }
    return periodic(tag, (now() % tag.periodMs) / tag.periodMs)
  }

  return {
    connect: () =>
      new Promise((resolve) => {
        if (file !== undefined) replay = readReplay(file)
        startedAt = now()
        resolve()
      }),
    read: (tags) =>
      startedAt === undefined ? Promise.reject(new Error('not connected')) : Promise.resolve(tags.map(valueOf)),
    close() {
      startedAt = undefined
      return Promise.resolve()
    },
  }
}

/** `phase`: 0 at the beginning of a period, 1 at its end. */
function periodic({ wave, min, max, isBool }: WaveTag, phase: number): DataValue {
  if (wave === 'square') return isBool ? good(phase >= 0.5) : good(phase < 0.5 ? min : max)
  if (wave === 'ramp') return rounded(min + (max - min) * phase)
  return rounded((min + max) / 2 + ((max - min) / 2) * Math.sin(2 * Math.PI * phase))
}

/** As many digits as a good sensor gives. */
const rounded = (value: number) => real(Number(value.toPrecision(6)))
