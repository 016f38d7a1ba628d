import { MAX_EXPORT_DAYS, MAX_EXPORT_TAG_DAYS, MAX_EXPORT_TAGS } from '../../../../schemas/exports.ts'
import type { Span } from '../../history/chart-range.ts'

const DAY_MS = 86_400_000

/** What is against an export before the API is asked: the key of its words, with what they name. */
export function againstExport(
  tags: number,
  span: Span,
  now: number,
): [key: string, named: Record<string, number>] | null {
  const days = (span.to - span.from) / DAY_MS
  if (tags === 0) return ['noTag', {}]
  if (tags > MAX_EXPORT_TAGS) return ['manyTags', { most: MAX_EXPORT_TAGS }]
  if (!(days > 0)) return ['noRange', {}]
  if (span.from > now) return ['future', {}]
  if (days > MAX_EXPORT_DAYS) return ['long', { most: MAX_EXPORT_DAYS }]
  if (tags * days > MAX_EXPORT_TAG_DAYS) return ['large', { tags, most: Math.floor(MAX_EXPORT_TAG_DAYS / tags) }]
  return null
}
