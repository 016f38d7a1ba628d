import type { Redis } from '../runtime/redis.ts'

const SCANNED_AT_ONCE = 1_000

export interface TenantKeys {
  slug: string
  tenantId: string
  userIds: string[]
  firebaseUids: string[]
}

/**
 * Keys in Redis that are a tenant's or one of its people's. Kinds of keys with a slug have it in the second place,
 * followed by a plant's (`rate:` is followed by words of ours); ids stand anywhere. The whole of Redis is looked through, a page at a time.
 */
export async function findTenantKeys(redis: Redis, { slug, tenantId, userIds, firebaseUids }: TenantKeys) {
  const ids = new Set([tenantId, ...userIds, ...firebaseUids])
  const isOurs = (key: string) => {
    const parts = key.split(':')
    return (parts.length === 3 && parts[0] !== 'rate' && parts[1] === slug) || parts.some((part) => ids.has(part))
  }
  const found: string[] = []
  let cursor = '0'
  do {
    const page = await redis.use((client) => client.scan(cursor, { COUNT: SCANNED_AT_ONCE }))
    cursor = page.cursor
    found.push(...page.keys.filter(isOurs))
  } while (cursor !== '0')
  return [...new Set(found)]
}

export async function removeKeys(redis: Redis, keys: string[]): Promise<void> {
  for (let index = 0; index < keys.length; index += SCANNED_AT_ONCE) {
    await redis.use((client) => client.unlink(keys.slice(index, index + SCANNED_AT_ONCE)))
  }
}
