import { createClient } from 'redis'
import { logger } from './frame.ts'
import { readSecret } from './secrets.ts'

type Client = ReturnType<typeof newClient>

/** Redis did not answer in time. Nothing that is only in Redis matters: callers go on without it. */
export class RedisUnavailable extends Error {
  override name = 'RedisUnavailable'
}

const CONNECT_TIMEOUT_MS = 500
const COMMANDS_TIMEOUT_MS = 1_000
/** After a failure Redis is not asked again for this long, so that an outage does not slow each event down. */
const PAUSE_AFTER_FAILURE_MS = 1_000

/**
 * Access to Redis that costs little when Redis is away: `use` runs commands and throws RedisUnavailable when they are
 * not answered in time, at once while the last failure is fresh. Connects when first used; reconnects by itself.
 */
export interface Redis {
  use<Result>(commands: (client: Client) => Promise<Result>): Promise<Result>
  close(): void
}

export function openRedis(settings: { REDIS_URL: string; REDIS_SECRET_ARN?: string | undefined }): Redis {
  let connected: Promise<Client> | undefined
  let awayUntil = 0

  async function connect(): Promise<Client> {
    const password = settings.REDIS_SECRET_ARN === undefined ? undefined : await readSecret(settings.REDIS_SECRET_ARN)
    const client = newClient(settings.REDIS_URL, password)
    await client.connect()
    return client
  }

  function forget() {
    const old = connected
    connected = undefined
    void old?.then((client) => client.isOpen && client.destroy()).catch(() => undefined)
  }

  return {
    async use(commands) {
      if (Date.now() < awayUntil) throw new RedisUnavailable('Redis did not answer a moment ago')
      if (connected && !(await connected).isReady) forget()
      try {
        connected ??= connect()
        return await within(COMMANDS_TIMEOUT_MS, connected.then(commands))
      } catch (error) {
        forget()
        awayUntil = Date.now() + PAUSE_AFTER_FAILURE_MS
        throw new RedisUnavailable(error instanceof Error ? error.message : String(error), { cause: error })
      }
    },
    close: forget,
  }
}

function newClient(url: string, password: string | undefined) {
  const client = createClient({
    url,
    ...(password === undefined ? {} : { password }),
    disableOfflineQueue: true,
    // A lost connection is replaced by the next `use`, not in the background, where Lambda freezes the process.
    socket: { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: false },
  })
  return client.on('error', (error: Error) => logger.debug('Redis connection error', { reason: error.message }))
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`no answer in ${milliseconds} ms`)), milliseconds)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
