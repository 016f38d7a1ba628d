import * as v from 'valibot'

export const SLUG = '[a-z0-9][a-z0-9-]{0,62}'

/** Name of a tenant, province, plant or machine inside a topic. Wildcards and separators cannot occur in it. */
export const Slug = v.pipe(
  v.string(),
  v.regex(new RegExp(`^${SLUG}$`), 'must be 1 to 63 of a-z, 0-9 and "-", and begin with a letter or a digit'),
)

/** AWS IoT thingName, which is also the MQTT clientId of the gateway. */
export const ThingName = v.pipe(
  v.string(),
  v.regex(/^[a-zA-Z0-9_-]{1,128}$/, 'must be 1 to 128 of a-z, A-Z, 0-9, "_" and "-"'),
)

export const TAG_NAME = /^[A-Za-z0-9_.-]{1,64}$/

/** Name of a tag inside `values` of a telemetry message. */
export const TagName = v.pipe(v.string(), v.regex(TAG_NAME, 'must be 1 to 64 of a-z, A-Z, 0-9, "_", "." and "-"'))

/** Milliseconds since 1970-01-01T00:00Z. */
export const EpochMs = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

/** Says what EpochMs says, and the schema of a seq. */
export const isWholeNumber = (input: unknown): input is number => Number.isSafeInteger(input) && (input as number) >= 0
