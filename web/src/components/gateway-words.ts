import type { useI18n } from 'vue-i18n'
import type { Gateway } from '../../../schemas/api.ts'
import type { LiveGateway } from '../../../schemas/live.ts'

type Translate = ReturnType<typeof useI18n>['t']
/** As useWords gives them. */
interface Words {
  number(value: number): string
  span(ms: number): string
  longSpan(ms: number): string
}

/** What a gateway tells about one of its parts, and whether somebody should look at it. */
export interface Remark {
  readonly text: string
  readonly abnormal: boolean
}

/** Shapes of the connection's states; see StateMark.vue. */
export const CONNECTION_MARKS = {
  online: 'running',
  offline: 'offline',
  stale: 'stale',
  unknown: 'bad',
  never: 'silent',
} as const

/** A gateway's clock that is wrong by less than this is nobody's concern. */
const CLOCK_TOLERATED_MS = 5_000

/** Why it is not connected, as it, the broker or the sweep said; or what its onboarding waits for. */
export function describeReason(
  gateway: LiveGateway & Partial<Pick<Gateway, 'lifecycle'>>,
  t: Translate,
  known: (key: string) => boolean,
): string | undefined {
  if (gateway.lifecycle !== undefined && gateway.lifecycle !== 'active') {
    return t(`gateways.lifecycle.${gateway.lifecycle}`)
  }
  if (gateway.reason === null) return undefined
  const key = `gateways.reasons.${gateway.reason}`
  return known(key) ? t(key) : gateway.reason
}

/** The agent renews its certificate when it has less than this: one that has not is held up. */
const RENEWAL_DUE_MS = 30 * 86_400_000

/** Whether somebody should look at the gateway's certificate: it ends soon and was not renewed, or it has ended. */
export function certificateTrouble(expiresAt: number | null, now: number): 'Soon' | 'Over' | undefined {
  if (expiresAt === null || expiresAt - now >= RENEWAL_DUE_MS) return undefined
  return expiresAt > now ? 'Soon' : 'Over'
}

export function describeBuffer(gateway: LiveGateway, t: Translate, number: (value: number) => string): Remark {
  if (!gateway.health) return { text: t('gateways.unknown'), abnormal: false }
  const { mode, queuedMessages } = gateway.health.buffer
  const n = number(queuedMessages)
  if (mode === 'live') return { text: t('gateways.buffers.live'), abnormal: false }
  if (mode === 'draining' || mode === 'storing') return { text: t(`gateways.buffers.${mode}`, { n }), abnormal: true }
  return { text: t('gateways.buffers.other', { mode, n }), abnormal: false }
}

/** When its buffer is empty, while it is catching up. A buffer that only carries what is under way has no end to tell. */
export function describeDrain(gateway: LiveGateway, t: Translate, span: (ms: number) => string): string | undefined {
  if (gateway.drainEtaSec === null || gateway.health?.buffer.mode !== 'draining') return undefined
  return t('gateways.emptyIn', { span: span(gateway.drainEtaSec * 1000) })
}

/** Less than a day's room is little for a gateway that cannot send. */
const LITTLE_ROOM_MS = 86_400_000

/**
 * How long its buffer has room if it cannot send. Of a gateway that is away, what it said last, less the time since: it
 * has been filling its buffer. Undefined where it has not told, or reads nothing.
 */
export function describeRunway(gateway: LiveGateway, now: number, t: Translate, words: Words): Remark | undefined {
  const runwaySec = gateway.health?.buffer.runwaySec
  if (runwaySec === undefined) return undefined
  const isAway = gateway.connection !== 'online'
  const leftMs = runwaySec * 1000 - (isAway && gateway.lastSeenAt !== null ? now - gateway.lastSeenAt : 0)
  if (leftMs <= 0) return { text: t('gateways.roomOver'), abnormal: true }
  return { text: t('gateways.roomFor', { span: words.longSpan(leftMs) }), abnormal: isAway && leftMs < LITTLE_ROOM_MS }
}

export function describeLink(word: string | undefined, t: Translate): Remark {
  if (word === undefined) return { text: t('gateways.unknown'), abnormal: false }
  if (word === 'up' || word === 'down') return { text: t(`gateways.links.${word}`), abnormal: word === 'down' }
  return { text: word, abnormal: false }
}

export function describeClock(skewMs: number | null, t: Translate, span: (ms: number) => string): string | undefined {
  if (skewMs === null || Math.abs(skewMs) < CLOCK_TOLERATED_MS) return undefined
  return t(skewMs > 0 ? 'gateways.clockBehind' : 'gateways.clockAhead', { span: span(Math.abs(skewMs)) })
}

export interface Station {
  readonly name: 'plc' | 'gateway' | 'buffer' | 'mqtt' | 'cloud'
  /** `busy`: it works, and is behind. */
  readonly state: 'ok' | 'busy' | 'broken' | 'unknown'
  readonly words: string
}

/**
 * Each station between PLC and cloud, and whether the data comes through. What a gateway that is away said last is not
 * known to hold any more.
 */
export function describePath(gateway: LiveGateway, now: number, t: Translate, words: Words): Station[] {
  const { health, connection } = gateway
  const isHeard = connection === 'online'
  const linkState = (word: string | undefined) => {
    if (!isHeard || word === undefined) return 'unknown'
    return word === 'up' ? 'ok' : word === 'down' ? 'broken' : 'unknown'
  }
  const buffer = describeBuffer(gateway, t, (value) => words.number(value))
  const drain = describeDrain(gateway, t, (ms) => words.span(ms))
  const runway = describeRunway(gateway, now, t, words)
  const unheard = t('gateways.unknown')
  return [
    {
      name: 'plc',
      state: linkState(health?.plcLink),
      words: isHeard ? describeLink(health?.plcLink, t).text : unheard,
    },
    {
      name: 'gateway',
      state: isHeard ? 'ok' : 'unknown',
      words:
        isHeard && gateway.uptimeSec !== null
          ? t('gateway.upFor', { span: words.span(gateway.uptimeSec * 1000) })
          : unheard,
    },
    {
      name: 'buffer',
      state: !isHeard || !health ? 'unknown' : buffer.abnormal ? 'busy' : 'ok',
      words: (isHeard ? [buffer.text, drain, runway?.text] : [runway?.text ?? unheard])
        .filter((part) => part !== undefined)
        .join(', '),
    },
    {
      name: 'mqtt',
      state: isHeard ? 'ok' : connection === 'offline' || connection === 'stale' ? 'broken' : 'unknown',
      words: t(`gateways.connection.${connection}`),
    },
    {
      name: 'cloud',
      state: connection === 'unknown' ? 'busy' : 'ok',
      words: t(connection === 'unknown' ? 'gateway.cloudBehind' : 'gateway.cloudUp'),
    },
  ]
}
