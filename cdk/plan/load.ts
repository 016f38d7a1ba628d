/** What a fleet sends, from its size. */
import { HEARTBEAT_SEC, SECONDS_PER_MONTH, MINUTES_PER_MONTH, type Usage } from '../../schemas/prices.ts'
import { MAX_TAGS_PER_MESSAGE } from '../../schemas/telemetry.ts'

export interface Fleet {
  gateways: number
  /** Of a gateway, over all of its machines. */
  tags: number
  intervalSec: number
  /** Of a gateway: each sends messages of its own. */
  machines: number
  /** Browsers with a plant open, on average. */
  watchers: number
}

export interface Load {
  /** Per second. */
  messages: number
  samples: number
  heartbeats: number
  frames: number
  samplesPerMessage: number
}

/** The fan-out sends a browser at most so many a second (lambdas/fan-out/frame-pace.ts). */
const FRAMES_PER_SECOND = 10

/** Each gateway is taken for a plant of its own. */
export function loadOf({ gateways, tags, intervalSec, machines, watchers }: Fleet): Load {
  const perInterval = machines * Math.ceil(tags / machines / MAX_TAGS_PER_MESSAGE)
  const messages = (gateways * perInterval) / intervalSec
  const changesOfPlant = perInterval / intervalSec + 1 / HEARTBEAT_SEC
  return {
    messages,
    samples: (gateways * tags) / intervalSec,
    heartbeats: gateways / HEARTBEAT_SEC,
    frames: watchers * Math.min(FRAMES_PER_SECOND, changesOfPlant),
    samplesPerMessage: tags / perInterval,
  }
}

export const usageOf = ({ gateways }: Fleet, { messages, samples, heartbeats }: Load): Usage => ({
  connectedMinutes: gateways * MINUTES_PER_MONTH,
  telemetryMessages: messages * SECONDS_PER_MONTH,
  samples: samples * SECONDS_PER_MONTH,
  heartbeats: heartbeats * SECONDS_PER_MONTH,
})
