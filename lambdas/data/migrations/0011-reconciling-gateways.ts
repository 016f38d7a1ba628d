import { type Kysely, sql } from 'kysely'

/** For the function that compares gateways with AWS IoT: it finishes what others have begun, and makes nothing of its own. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql`
grant usage on schema public to iot_gateways;
grant select on tenants, plants, gateways, gateway_certificates to iot_gateways;
grant update (busy_until), delete on gateways to iot_gateways;
grant update (state), delete on gateway_certificates to iot_gateways;
create policy every_tenant_to_reconcile on tenants to iot_gateways using (true);
create policy every_tenant_to_reconcile on plants to iot_gateways using (true);
create policy every_tenant_to_reconcile on gateways to iot_gateways using (true);
create policy every_tenant_to_reconcile on gateway_certificates to iot_gateways using (true);
`.execute(db)
}
