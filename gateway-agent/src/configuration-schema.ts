import * as v from 'valibot'
import { Slug, TagName } from '../../schemas/slugs.ts'
import { Unit } from '../../schemas/telemetry.ts'
import { choiceOf } from './did-you-mean.ts'
import { BYTE_ORDERS } from './drivers/driver.ts'
import { SECURITY_MODES } from './drivers/opcua-tag.ts'
import { isHost } from './host-name.ts'
import { PARITIES } from './drivers/modbus-rtu.ts'

/** Faster is more than a PLC and a line of 80 messages/s give; slower than a day is a typing mistake. */
const INTERVAL_MS = { shortest: 50, longest: 86_400_000 }
/** IoT Core discards what is above 100 publishes/s on one connection; heartbeats and bursts need room too. */
const MOST_PUBLISHES_PER_SECOND = 90

/** Of any driver's string. */
const MAX_STRING_BYTES = 254

/** A mapping whose unknown keys are errors: they are typing mistakes. */
function section<const E extends v.ObjectEntries>(entries: E) {
  const keys = Object.keys(entries)
  return v.strictObject(entries, (issue) => {
    if (issue.received === 'undefined') return 'is missing'
    if (issue.expected !== 'never') return `must hold keys: ${keys.join(', ')}`
    return `is not a key here; ${choiceOf(issue.received.slice(1, -1), keys)}`
  })
}

function whole(from: number, to: number) {
  const rule = `must be a whole number from ${from} to ${to}`
  return v.pipe(v.number(rule), v.integer(rule), v.minValue(from, rule), v.maxValue(to, rule))
}

const real = v.pipe(v.number('must be a number'), v.finite('must be a finite number'))
const text = v.pipe(v.string('must be text'), v.minLength(1, 'must not be empty'))
const Host = v.pipe(text, v.check(isHost, 'must be a name or an IP address'))
const oneOf = <const T extends readonly string[]>(options: T) =>
  v.picklist(options, `must be one of ${options.join(', ')}`)

const Port = whole(1, 65_535)
const Interval = whole(INTERVAL_MS.shortest, INTERVAL_MS.longest)

/** For what nobody but the agent may know. */
export const SecretSection = v.union(
  [section({ env: text }), section({ file: text })],
  'must be { env: NAME } or { file: PATH }: a secret does not belong in this file',
)

const TagSection = section({
  address: text,
  type: v.optional(text),
  order: v.optional(oneOf(BYTE_ORDERS)),
  length: v.optional(whole(1, MAX_STRING_BYTES)),
  scale: v.optional(v.pipe(real, v.notValue(0, 'must not be 0: every reading would be the same'))),
  offset: v.optional(real),
  unit: v.optional(v.pipe(text, Unit)),
  deadband: v.optional(v.pipe(real, v.minValue(0, 'must be 0 or more, in the unit of the scaled value'))),
  deadbandPercent: v.optional(v.pipe(real, v.minValue(0, 'must be 0 or more, in % of the value sent last'))),
  maxSilenceMs: v.optional(Interval),
  clamp: v.optional(
    v.pipe(
      v.tuple([real, real], 'must be [lowest, highest]'),
      v.check(([lowest, highest]) => lowest < highest, 'must be [lowest, highest]'),
    ),
  ),
  intervalMs: v.optional(Interval),
  device: v.optional(text),
})
export type TagSection = v.InferOutput<typeof TagSection>
export const TAG_KEYS = Object.keys(TagSection.entries)

const unitId = v.optional(whole(0, 255), 1)
const timeoutMs = v.optional(whole(50, 60_000), 1000)

/** One per driver; the keys say what its devices need. */
const DEVICE_SECTIONS = {
  'modbus-tcp': section({
    name: text,
    driver: v.literal('modbus-tcp'),
    host: Host,
    port: v.optional(Port, 502),
    unitId,
    timeoutMs,
  }),
  'modbus-rtu': section({
    name: text,
    driver: v.literal('modbus-rtu'),
    path: text,
    baudRate: v.optional(whole(300, 4_000_000), 9600),
    dataBits: v.optional(v.picklist([7, 8], 'must be 7 or 8'), 8),
    // Modbus over serial line 1.02, 2.5.1: even parity is the default that every device has.
    parity: v.optional(oneOf(PARITIES), 'even'),
    stopBits: v.optional(v.picklist([1, 2], 'must be 1 or 2'), 1),
    unitId,
    timeoutMs,
  }),
  s7: section({
    name: text,
    driver: v.literal('s7'),
    host: text,
    port: v.optional(Port, 102),
    rack: v.optional(whole(0, 7), 0),
    slot: v.optional(whole(0, 31), 1),
    timeoutMs,
  }),
  opcua: section({
    name: text,
    driver: v.literal('opcua'),
    endpoint: v.pipe(text, v.regex(/^opc\.tcp:\/\/[^/\s:]+(:\d+)?(\/\S*)?$/, 'must be like opc.tcp://192.0.2.30:4840')),
    securityMode: v.optional(oneOf(SECURITY_MODES), 'SignAndEncrypt'),
    user: v.optional(text),
    password: v.optional(SecretSection),
    timeoutMs: v.optional(whole(50, 60_000), 5000),
  }),
  simulator: section({ name: text, driver: v.literal('simulator'), file: v.optional(text) }),
}

const DRIVERS = Object.keys(DEVICE_SECTIONS)

const DeviceSection = v.variant('driver', Object.values(DEVICE_SECTIONS), ({ received }) => {
  if (received === 'undefined') return 'is missing'
  return `${received} is not a driver; ${choiceOf(received.slice(1, -1), DRIVERS)}`
})

const MachineSection = section({
  slug: Slug,
  device: v.optional(text),
  intervalMs: v.optional(Interval, 1000),
  maxSilenceMs: v.optional(Interval),
  tagsFile: v.optional(text),
  tags: v.pipe(
    v.record(TagName, TagSection, 'must map tag names to addresses'),
    v.minEntries(1, 'must name at least one tag'),
  ),
})

export const ConfigurationFile = section({
  version: v.literal(1, 'must be 1'),
  dataDir: text,
  mqtt: v.optional(
    section({
      port: v.optional(v.union([v.literal('auto'), Port], 'must be auto, or a port from 1 to 65535'), 'auto'),
      publishesPerSecond: v.optional(whole(1, MOST_PUBLISHES_PER_SECOND), 80),
    }),
    {},
  ),
  proxy: v.optional(section({ host: Host, port: Port, user: v.optional(text), password: v.optional(SecretSection) })),
  buffer: v.optional(
    section({
      maxMegabytes: v.optional(whole(1, 1_048_576), 1024),
      minFreeMegabytes: v.optional(whole(0, 1_048_576), 256),
    }),
    {},
  ),
  devices: v.pipe(v.array(DeviceSection, 'must be a list'), v.minLength(1, 'must name at least one device')),
  machines: v.pipe(v.array(MachineSection, 'must be a list'), v.minLength(1, 'must name at least one machine')),
})
export type ConfigurationFile = v.InferOutput<typeof ConfigurationFile>
