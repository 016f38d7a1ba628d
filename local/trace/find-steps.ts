import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'

/** Something that was done with a reading. */
export interface Step {
  /** Epoch ms. */
  at: number
  what: string
  /** Who did it: the gateway, the broker, or the function's service. */
  by: string
  details: Record<string, string>
}

const Line = v.looseObject({ timestamp: v.string(), message: v.string(), service: v.string() })
type Line = v.InferOutput<typeof Line>

/** `tenant/plant/machine#seq@taken+delay`: what Ingest logs of each reading. */
const TRACE = /^(?<name>[^#]+#\d+)@(?<takenAt>\d+)\+(?<delayMs>-?\d+)$/

/**
 * What the logs of a folder tell of a reading, in order. `id`: its trace id, or `tenant/plant/machine#seq`, which may have come
 * several times.
 */
export function findSteps(folder: string, id: string): Step[] {
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => /\.log(\.1)?$/.test(name)) : []
  const texts = files.map((name) => readFileSync(join(folder, name), 'utf8'))
  const traceIds = id.includes('#') ? traceIdsOf(texts, id) : [id]
  return traceIds.flatMap((traceId) => stepsOf(texts, traceId)).toSorted((a, b) => a.at - b.at)
}

/** Log files hold hundreds of thousands of lines: only those that name the id are read as JSON. */
function linesWith(texts: string[], needle: string): Line[] {
  return texts.flatMap((text) => {
    const found: Line[] = []
    for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at)) {
      const begin = text.lastIndexOf('\n', at) + 1
      const end = text.indexOf('\n', at)
      const line = v.safeParse(v.pipe(v.string(), v.parseJson(), Line), text.slice(begin, end < 0 ? undefined : end))
      if (line.success) found.push(line.output)
      if (end < 0) break
      at = end
    }
    return found
  })
}

function traceIdsOf(texts: string[], name: string): string[] {
  const ids = linesWith(texts, `"${name}@`).flatMap((line) =>
    Object.values(line).flatMap((value) =>
      Object.entries(asRecord(value)).flatMap(([traceId, text]) => (text.startsWith(`${name}@`) ? [traceId] : [])),
    ),
  )
  return [...new Set(ids)]
}

function stepsOf(texts: string[], traceId: string): Step[] {
  const steps: Step[] = []
  for (const line of linesWith(texts, `"${traceId}"`)) {
    const { timestamp, message, service, ...rest } = line
    const traced = Object.values(rest).map((value) => asRecord(value)[traceId])
    const parts = TRACE.exec(traced.find((text) => text !== undefined) ?? '')?.groups
    const isRepeated = asRecord(rest['repeated'])[traceId] !== undefined
    if (parts && !steps.some(({ by }) => by === 'broker')) {
      const takenAt = Number(parts['takenAt'])
      steps.push({ at: takenAt, what: 'Taken at the PLC', by: 'gateway', details: { reading: parts['name']! } })
      steps.push({ at: takenAt + Number(parts['delayMs']), what: 'Received', by: 'broker', details: { traceId } })
    }
    const what = isRepeated ? `${message}: repeated, known already` : message
    steps.push({ at: Date.parse(timestamp), what, by: service, details: detailsOf(rest) })
  }
  return steps
}

const asRecord = (value: unknown) => {
  const parsed = v.safeParse(v.record(v.string(), v.string()), value)
  return parsed.success ? parsed.output : {}
}

const TOLD = ['tenant', 'plant', 'version', 'connections', 'gone', 'slow', 'code', 'reason', 'function_request_id']

const detailsOf = (rest: Record<string, unknown>) =>
  Object.fromEntries(
    TOLD.flatMap((name) =>
      rest[name] === undefined
        ? []
        : [[name, typeof rest[name] === 'string' ? rest[name] : JSON.stringify(rest[name])]],
    ),
  )
