import { describe, expect, it } from 'vitest'
import * as v from 'valibot'
import { liveFrames, MAX_FRAME_BYTES } from '../../../lambdas/runtime/live-frames.ts'
import { LiveServerMessage, type LiveGateway, type LiveMachine } from '../../../schemas/live.ts'

const plant = '01890a5d-ac96-774b-bcce-b302099a8057'

function machine(n: number, values: Record<string, string | number | null>): LiveMachine {
  return {
    machineId: `01890a5d-ac96-774b-bcce-${String(n).padStart(12, '0')}`,
    slug: `machine-${n}`,
    name: null,
    status: 'active',
    thingName: 'granix-ba-gateway-1',
    units: { 'tag-0': '°C', 'tag-9': 'm³/h' },
    state: { timestamp: 1, seq: n, receivedAt: 2, values },
  }
}

const gateway: LiveGateway = {
  thingName: 'granix-ba-gateway-1',
  connection: 'never',
  reason: null,
  lastSeenAt: null,
  clockSkewMs: null,
  drainEtaSec: null,
  version: null,
  uptimeSec: null,
  health: null,
}

function read(frames: string[]) {
  return frames.map((frame) => {
    expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(MAX_FRAME_BYTES)
    const message = v.parse(LiveServerMessage, JSON.parse(frame))
    if (message.type !== 'snapshot') throw new Error('expected a snapshot')
    return message
  })
}

describe('liveFrames', () => {
  it('says an empty plant in one part', () => {
    const [only, ...more] = read(liveFrames('snapshot', { plant, version: 7, machines: [], gateways: [], alarms: [] }))
    expect(more).toEqual([])
    expect(only).toMatchObject({ plant, version: 7, part: 1, parts: 1, machines: [], gateways: [], alarms: [] })
  })

  it('spreads 1,000 machines and the gateways over parts, each machine once and in order', () => {
    const values = Object.fromEntries(Array.from({ length: 10 }, (_, tag) => [`tag-${tag}`, tag * 1.5]))
    const machines = Array.from({ length: 1000 }, (_, n) => machine(n, values))
    const messages = read(liveFrames('snapshot', { plant, version: 3, machines, gateways: [gateway], alarms: [] }))
    expect(messages.map(({ part }) => part)).toEqual(messages.map((_, index) => index + 1))
    expect(new Set(messages.map(({ parts }) => parts))).toEqual(new Set([messages.length]))
    expect(messages.flatMap((message) => message.machines)).toEqual(machines)
    expect(messages.flatMap((message) => message.gateways)).toEqual([gateway])
  })

  it('cuts the values of a machine that is larger than a frame, and loses none, nor a quality', () => {
    const values = Object.fromEntries(Array.from({ length: 256 }, (_, tag) => [`tag-${tag}`, '€'.repeat(256)]))
    const large = machine(1, values)
    large.units = Object.fromEntries(Object.keys(values).map((tag) => [tag, '€'.repeat(32)]))
    large.state!.quality = { 'tag-0': 'bad', 'tag-255': 'uncertain' }
    const messages = read(liveFrames('snapshot', { plant, version: 1, machines: [large], gateways: [], alarms: [] }))
    const entries = messages.flatMap((message) => message.machines)
    expect(new Set(entries.map(({ machineId, state }) => `${machineId} ${state!.seq}`)).size).toBe(1)
    expect(Object.assign({}, ...entries.map(({ state }) => state!.values))).toEqual(values)
    expect(Object.assign({}, ...entries.map(({ state }) => state!.quality))).toEqual(large.state!.quality)
    for (const { units, state } of entries) expect(Object.keys(units)).toEqual(Object.keys(state!.values))
    expect(Object.assign({}, ...entries.map(({ units }) => units))).toEqual(large.units)
  })

  it('leaves out units of tags without a value when a machine is larger than a frame', () => {
    const units = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`old-${n}`, '€'.repeat(32)]))
    const large = { ...machine(1, { 'tag-0': 1 }), units: { ...units, 'tag-0': '°C' } }
    const messages = read(liveFrames('snapshot', { plant, version: 1, machines: [large], gateways: [], alarms: [] }))
    expect(messages.flatMap((message) => message.machines)).toEqual([{ ...large, units: { 'tag-0': '°C' } }])
  })
})
