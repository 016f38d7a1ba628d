import { sql } from 'kysely'
import { Health } from '../../../schemas/api.ts'
import packageJson from '../../../package.json' with { type: 'json' }
import { openRoute, WithStatus } from '../route.ts'

const TIMEOUT_MS = 2_000

/** 503 when nothing can be answered (no Postgres); without Redis only live values are missing: degraded, but 200. */
export const route = openRoute({
  method: 'GET',
  path: '/v1/health',
  operationId: 'getHealth',
  summary: 'Whether the API reaches what it needs',
  answer: { status: 200, otherStatus: 503, schema: Health },
  async handle({ services: { db, redis } }) {
    const [postgres, cache] = await Promise.all([
      isUp(sql`select 1`.execute(db)),
      isUp(redis.use((client) => client.ping())),
    ])
    const health: Health = {
      status: postgres && cache ? 'ok' : 'degraded',
      postgres: postgres ? 'up' : 'down',
      redis: cache ? 'up' : 'down',
      version: packageJson.version,
    }
    return new WithStatus(postgres ? 200 : 503, health)
  },
})

async function isUp(probe: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error('late')), TIMEOUT_MS)
  try {
    await Promise.race([probe, late.promise])
    return true
  } catch {
    return false
  } finally {
    clearTimeout(timer)
  }
}
