import * as v from 'valibot'
import { SLUG, Slug, ThingName } from './slugs.ts'

/** Where a machine stands: the topic describes the datum, not the device that sends it. */
export const MachineAddress = v.strictObject({ tenant: Slug, province: Slug, plant: Slug, machine: Slug })
export type MachineAddress = v.InferOutput<typeof MachineAddress>

export const GatewayAddress = v.strictObject({ tenant: Slug, province: Slug, plant: Slug, thingName: ThingName })
export type GatewayAddress = v.InferOutput<typeof GatewayAddress>

/** Filters of the backend's global subscription; the IoT rules select FROM them. */
export const TELEMETRY_FILTER = 'factory/+/+/+/+/telemetry'
export const STATUS_FILTER = 'ops/+/+/+/gateway/+/status'

/** IoT Core refuses a longer topic (AWS IoT Core limits: 256 bytes of UTF-8). */
export const MAX_TOPIC_BYTES = 256

const TELEMETRY_TOPIC = new RegExp(`^factory/(${SLUG})/(${SLUG})/(${SLUG})/(${SLUG})/telemetry$`)

/** `factory/{tenant}/{province}/{plant}/{machine}/telemetry`. Throws ValiError when a part is not a slug. */
export function telemetryTopic(address: MachineAddress): string {
  const { tenant, province, plant, machine } = v.parse(MachineAddress, address)
  return `factory/${tenant}/${province}/${plant}/${machine}/telemetry`
}

/** The exact inverse of `telemetryTopic`; `undefined` for whatever that cannot have built. */
export function parseTelemetryTopic(topic: string): MachineAddress | undefined {
  const [, tenant, province, plant, machine] = TELEMETRY_TOPIC.exec(topic) ?? []
  return machine === undefined ? undefined : { tenant: tenant!, province: province!, plant: plant!, machine }
}

/** `ops/{tenant}/{province}/{plant}/gateway/{thingName}/status`. Throws ValiError when a part is not allowed. */
export function statusTopic(address: GatewayAddress): string {
  const { tenant, province, plant, thingName } = v.parse(GatewayAddress, address)
  return `ops/${tenant}/${province}/${plant}/gateway/${thingName}/status`
}

/** The exact inverse of `statusTopic`; `undefined` for whatever that cannot have built. */
export function parseStatusTopic(topic: string): GatewayAddress | undefined {
  const [ops, tenant, province, plant, gateway, thingName, status, ...rest] = topic.split('/')
  if (ops !== 'ops' || gateway !== 'gateway' || status !== 'status' || rest.length > 0) return undefined
  const parsed = v.safeParse(GatewayAddress, { tenant, province, plant, thingName })
  return parsed.success ? parsed.output : undefined
}
