import * as v from 'valibot'
import { EpochMs, isWholeNumber, TAG_NAME, TagName } from './slugs.ts'
import { withShortcut } from './with-shortcut.ts'

/** PostgreSQL holds neither U+0000 nor a lone surrogate in a text. */
export const isStorable = (text: string) => !text.includes('\u0000') && text.isWellFormed()
const MAX_TEXT_LENGTH = 256

/**
 * Text that PostgreSQL can hold as jsonb: U+0000 and lone surrogates are legal JSON, but jsonb refuses them
 * (SQLSTATE 22P05 and 22P02), and one such value would fail the whole batch.
 */
const storableText = (maxLength: number) =>
  v.pipe(
    v.string(),
    v.maxLength(maxLength, `must be at most ${maxLength} characters`),
    v.check(isStorable, 'must not contain U+0000 or a lone surrogate'),
  )

/** `null` is a tag that could not be read. */
export const Scalar = v.union([v.pipe(v.number(), v.finite()), v.boolean(), storableText(MAX_TEXT_LENGTH), v.null()])
export type Scalar = v.InferOutput<typeof Scalar>

/** Quality of a value that is not good; a good one is not listed. */
export const Quality = v.picklist(['bad', 'uncertain'])
export type Quality = v.InferOutput<typeof Quality>

/** Unit of a tag's values, as people read it: `°C`, `m³/h`. */
export const Unit = v.pipe(storableText(32), v.minLength(1, 'must not be empty'))
/** Tag -> unit, for the tags that have one. */
export type Units = Record<string, v.InferOutput<typeof Unit>>

export const MAX_TAGS_PER_MESSAGE = 256

/** Names that valibot's record drops in silence (they could pollute a prototype): refused, so that no value is lost unsaid. */
const RESERVED_TAG_NAMES = ['__proto__', 'prototype', 'constructor']

const hasReservedName = (input: object) => RESERVED_TAG_NAMES.some((name) => Object.hasOwn(input, name))

const byTag = <T extends v.GenericSchema>(value: T) =>
  v.pipe(
    v.unknown(),
    v.check((input) => !Array.isArray(input), 'must be an object, not a list'),
    v.check(
      (input) => !(input instanceof Object) || !hasReservedName(input),
      `must not use the reserved names ${RESERVED_TAG_NAMES.join(', ')}`,
    ),
    v.record(TagName, value),
  )

/** Says of JSON what the schema of values says, without its messages. */
function areLegalValues(input: unknown): input is Record<string, Scalar> {
  if (typeof input !== 'object' || input === null || Array.isArray(input) || hasReservedName(input)) return false
  let count = 0
  for (const tag in input) {
    const value: unknown = (input as Record<string, unknown>)[tag]
    const isLegal =
      typeof value === 'number'
        ? Number.isFinite(value)
        : typeof value === 'string'
          ? value.length <= MAX_TEXT_LENGTH && isStorable(value)
          : typeof value === 'boolean' || value === null
    if (!isLegal || !TAG_NAME.test(tag)) return false
    count += 1
  }
  return count >= 1 && count <= MAX_TAGS_PER_MESSAGE
}

/**
 * One reading of one machine, version 1.
 * `timestamp`: epoch ms of the PLC read. `seq`: +1 per message of this machine; its first value is the gateway's
 * clock in epoch ms, so that a gateway which lost its disk never reuses one.
 * `units`: of tags that have one. Sent with a machine's first message after the agent starts, and again with the first
 * one 60 s after they were last sent; nobody needs them to understand a message.
 * Unknown fields are ignored, so that a newer gateway can speak to an older cloud.
 */
export const TelemetryV1 = withShortcut(
  v.object({
    schemaVersion: v.literal(1),
    timestamp: EpochMs,
    seq: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
    values: withShortcut(
      v.pipe(
        byTag(Scalar),
        v.minEntries(1, 'must hold at least 1 value'),
        v.maxEntries(MAX_TAGS_PER_MESSAGE, `must hold at most ${MAX_TAGS_PER_MESSAGE} values`),
      ),
      (input) => (areLegalValues(input) ? input : undefined),
    ),
    quality: v.optional(byTag(Quality)),
    units: v.optional(byTag(Unit)),
  }),
  ({ schemaVersion, timestamp, seq, values, quality, units }) =>
    schemaVersion === 1 &&
    isWholeNumber(timestamp) &&
    isWholeNumber(seq) &&
    quality === undefined &&
    units === undefined &&
    areLegalValues(values)
      ? { schemaVersion: 1 as const, timestamp, seq, values }
      : undefined,
)
export type TelemetryV1 = v.InferOutput<typeof TelemetryV1>
