/** What the sweep judges: who has been heard, and when. Of tenants that are enabled. */
import type { ConnectionState } from '../../schemas/live.ts'
import type { Units } from '../../schemas/telemetry.ts'
import type { Connection } from './store-telemetry.ts'

interface Standing {
  tenantId: string
  plantId: string
  /** Slug. */
  plant: string
}

export interface MachineHeard extends Standing {
  machineId: string
  slug: string
  name: string | null
  units: Units
  gatewayId: string | null
  /** Broker's clock. */
  lastSeenAt: number
}

export interface GatewayHeard extends Standing {
  gatewayId: string
  thingName: string
  connection: ConnectionState
  /** Broker's clock at its last status. */
  statusAt: number
}

/** In use, and heard at least once. */
export async function readMachinesHeard(db: Connection, tenantIds: string[]): Promise<MachineHeard[]> {
  const { rows } = await db.query<MachineHeard>(
    `
    select m.tenant_id as "tenantId", m.plant_id as "plantId", p.slug as plant, m.id as "machineId", m.slug, m.name, m.units,
      m.gateway_id as "gatewayId", s.last_seen_at as "lastSeenAt"
    from machines m join machine_state s on s.machine_id = m.id join plants p on p.id = m.plant_id
    join tenants t on t.id = m.tenant_id
    where m.tenant_id = any($1::uuid[]) and m.status <> 'retired' and t.disabled_at is null`,
    [tenantIds],
  )
  return rows
}

export async function readGatewaysHeard(db: Connection, tenantIds: string[]): Promise<GatewayHeard[]> {
  const { rows } = await db.query<GatewayHeard>(
    `
    select g.tenant_id as "tenantId", g.plant_id as "plantId", p.slug as plant, g.id as "gatewayId", g.thing_name as "thingName",
      g.connection, g.status_at as "statusAt"
    from gateways g join plants p on p.id = g.plant_id join tenants t on t.id = g.tenant_id
    where g.tenant_id = any($1::uuid[]) and g.connection <> 'never' and g.lifecycle <> 'revoked'
      and t.disabled_at is null`,
    [tenantIds],
  )
  return rows
}
