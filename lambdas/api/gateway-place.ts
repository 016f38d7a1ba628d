import type { Enrolment } from '../../schemas/api.ts'
import { type GatewayAddress, statusTopic, telemetryTopic } from '../../schemas/topics.ts'

type Place = Pick<Enrolment, 'endpoint' | 'topics' | 'tenant' | 'province' | 'plant'>

/** What a gateway has to know of where it stands. `endpoint` is the account's MQTT endpoint. */
export function gatewayPlace(gateway: GatewayAddress, endpoint: string): Place {
  const { tenant, province, plant, thingName } = gateway
  const telemetry = telemetryTopic({ tenant, province, plant, machine: 'machine' })
  const topics = {
    telemetry: telemetry.replace(/machine(?=\/telemetry$)/, '{machine}'),
    status: statusTopic({ tenant, province, plant, thingName }),
  }
  return { endpoint, topics, tenant, province, plant }
}
