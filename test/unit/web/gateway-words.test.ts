import { describe, expect, it } from 'vitest'
import { createI18n } from 'vue-i18n'
import {
  certificateTrouble,
  describeDrain,
  describeReason,
  describeRunway,
} from '../../../web/src/components/gateway-words.ts'
import { ageOf, partsOf } from '../../../web/src/display/ages.ts'
import en from '../../../web/src/i18n/en.json' with { type: 'json' }
import es from '../../../web/src/i18n/es.json' with { type: 'json' }
import type { LiveGateway } from '../../../schemas/live.ts'
import { gateway } from './live-fixtures.ts'

const { global: i18n } = createI18n({ legacy: false, locale: 'es', messages: { en, es } })
// The composer of these messages; the type is that of a component's, which knows no messages.
const t = i18n.t as unknown as Parameters<typeof describeDrain>[1]
const span = (ms: number) => {
  const { unit, count } = ageOf(ms)
  return i18n.t(`span.${unit}`, { n: count })
}

function draining(mode: string, drainEtaSec: number | null): LiveGateway {
  const health = { internet: 'up', mqtt: 'up', plcLink: 'up', buffer: { mode, queuedMessages: 7200 } }
  return { ...gateway('gw-1', 1), health, drainEtaSec }
}

describe('what is said of a gateway', () => {
  it('counts the room of its buffer down while it is away, and says when the oldest readings are being lost', () => {
    i18n.locale.value = 'es'
    const words = {
      ...{ number: String, span },
      longSpan: (ms: number) =>
        partsOf(ms)
          .map(({ unit, count }) => i18n.t(`span.${unit}`, { n: count }))
          .join(' '),
    }
    const [lastSeenAt, hour] = [1_000_000, 3_600_000]
    const of = (connection: LiveGateway['connection'], runwaySec?: number): LiveGateway => ({
      ...gateway('gw-1', lastSeenAt, connection),
      health: {
        ...{ internet: 'up', mqtt: 'up', plcLink: 'up' },
        buffer: { mode: 'storing', queuedMessages: 1, ...(runwaySec !== undefined && { runwaySec }) },
      },
    })
    const at = (later: number, one: LiveGateway) => describeRunway(one, lastSeenAt + later, t, words)
    const room = (3 * 24 + 4) * 3600
    expect(at(5 * hour, of('online', room))).toEqual({ text: 'queda lugar para 3 d 4 h', abnormal: false })
    expect(at(5 * hour, of('offline', room))).toEqual({ text: 'queda lugar para 2 d 23 h', abnormal: false })
    expect(at(74.5 * hour, of('stale', room))).toEqual({ text: 'queda lugar para 1 h 30 min', abnormal: true })
    const over = { text: 'sin lugar: se pierden las lecturas más viejas', abnormal: true }
    expect(at(76 * hour, of('offline', room))).toEqual(over)
    expect(at(0, of('online'))).toBeUndefined()
  })

  it('warns of a certificate that the agent should have renewed, and of one that has ended', () => {
    const [now, day] = [Date.now(), 86_400_000]
    expect(certificateTrouble(null, now)).toBeUndefined()
    expect(certificateTrouble(now + 30 * day, now)).toBeUndefined()
    expect(certificateTrouble(now + 30 * day - 1, now)).toBe('Soon')
    expect(certificateTrouble(now, now)).toBe('Over')
  })

  it.each([
    ['es', 'se vacía en 12 min'],
    ['en', 'empty in 12 min'],
  ] as const)('in %s: when its buffer is empty', (locale, words) => {
    i18n.locale.value = locale
    expect(describeDrain(draining('draining', 12 * 60 + 20), t, span)).toBe(words)
    expect(describeDrain(draining('draining', null), t, span)).toBeUndefined()
    expect(describeDrain(draining('live', 1), t, span)).toBeUndefined()
  })

  it.each(['en', 'es'] as const)('in %s: why it is not known to be connected, in words and not in codes', (locale) => {
    i18n.locale.value = locale
    const silent = [
      ['stale', 'heartbeats_missed'],
      ['unknown', 'pipeline_behind'],
    ] as const
    for (const [connection, reason] of silent) {
      const words = describeReason({ ...gateway('gw-1', 1, connection), reason }, t, (key) => i18n.te(key))
      expect(words).toMatch(/^\p{Letter}[^_]+ [^_]+$/u)
      expect(i18n.te(`gateways.connection.${connection}`)).toBe(true)
    }
  })
})
