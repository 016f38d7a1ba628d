import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  MAX_TOPIC_BYTES,
  parseStatusTopic,
  parseTelemetryTopic,
  statusTopic,
  telemetryTopic,
} from '../../../schemas/topics.ts'

const slug = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/)
const thingName = fc.stringMatching(/^[a-zA-Z0-9_-]{1,128}$/)
const machineAddress = fc.record(
  { tenant: slug, province: slug, plant: slug, machine: slug },
  { noNullPrototype: true },
)
const gatewayAddress = fc.record({ tenant: slug, province: slug, plant: slug, thingName }, { noNullPrototype: true })

/** Text that is nearly a topic: real segments, hostile ones, and any text, joined by slashes. */
const segment = fc.oneof(
  slug,
  fc.constantFrom('factory', 'ops', 'gateway', 'status', 'telemetry', '', '+', '#', '*', 'A', '-a', 'a b', 'ñ', '..'),
  fc.string(),
)
const almostTopic = fc.array(segment, { maxLength: 9 }).map((segments) => segments.join('/'))

describe('telemetry topic', () => {
  it('parse gives back what build was given', () => {
    fc.assert(
      fc.property(machineAddress, (address) => {
        expect(parseTelemetryTopic(telemetryTopic(address))).toEqual(address)
      }),
    )
  })

  it('parse accepts only what build would have made', () => {
    fc.assert(
      fc.property(fc.oneof(almostTopic, fc.string()), (topic) => {
        const address = parseTelemetryTopic(topic)
        if (address) expect(telemetryTopic(address)).toBe(topic)
      }),
    )
  })

  it.each([
    'factory/granix/ba/baradero/pump-1/extra/telemetry',
    'factory/granix/ba/baradero/telemetry',
    'factory/granix/ba/baradero/pump-1/telemetry/',
    '/factory/granix/ba/baradero/pump-1/telemetry',
    'factory/granix/ba/baradero//telemetry',
    'factory/granix/ba/baradero/Pump-1/telemetry',
    'factory/granix/ba/baradero/+/telemetry',
    'factory/granix/ba/baradero/pump-1\n/telemetry',
    `factory/granix/ba/baradero/${'a'.repeat(64)}/telemetry`,
    'ops/granix/ba/baradero/gateway/thing/status',
  ])('refuses %j', (topic) => {
    expect(parseTelemetryTopic(topic)).toBeUndefined()
  })

  it.each(['+', '#', '*', 'a/b', '', 'A', '-a', 'a'.repeat(64)])('is never built with the machine %j', (machine) => {
    expect(() => telemetryTopic({ tenant: 'granix', province: 'ba', plant: 'baradero', machine })).toThrow()
  })

  it('of the longest slugs is longer than IoT Core takes, so the length must be checked where topics are configured', () => {
    const longest = 'a'.repeat(63)
    const topic = telemetryTopic({ tenant: longest, province: longest, plant: longest, machine: longest })
    expect(Buffer.byteLength(topic)).toBeGreaterThan(MAX_TOPIC_BYTES)
  })
})

describe('status topic', () => {
  it('parse gives back what build was given', () => {
    fc.assert(
      fc.property(gatewayAddress, (address) => {
        expect(parseStatusTopic(statusTopic(address))).toEqual(address)
      }),
    )
  })

  it('parse accepts only what build would have made', () => {
    fc.assert(
      fc.property(fc.oneof(almostTopic, fc.string()), (topic) => {
        const address = parseStatusTopic(topic)
        if (address) expect(statusTopic(address)).toBe(topic)
      }),
    )
  })
})
