import type { Identity } from '../../../gateway-agent/src/identity.ts'
import type { TestAuthority } from './test-authority.ts'

export const STATUS_TOPIC = 'ops/granix/ba/norte/gateway/granix-ba-gateway-1/status'

/** The identity that enrolment would have given, for a broker on this computer. */
export async function testIdentity(authority: TestAuthority, port: number): Promise<Identity> {
  return {
    ...(await authority.issue('granix-ba-gateway-1')),
    thingName: 'granix-ba-gateway-1',
    endpoint: `127.0.0.1:${port}`,
    topics: { telemetry: 'factory/granix/ba/norte/{machine}/telemetry', status: STATUS_TOPIC },
    tenant: 'granix',
    province: 'ba',
    plant: 'norte',
    caPem: authority.caPem,
  }
}
