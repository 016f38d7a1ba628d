import type pg from 'pg'

/** Of each body in the table of dead letters: the codes that its rows have, and the tenants that may see them. */
export async function quarantined(database: pg.Pool): Promise<Map<string, { code: string; tenant: string | null }[]>> {
  const { rows } = await database.query<{ body: Buffer; code: string; tenant: string | null }>(
    'select q.body, q.code, t.slug as tenant from quarantine q left join tenants t on t.id = q.tenant_id',
  )
  const byBody = new Map<string, { code: string; tenant: string | null }[]>()
  for (const { body, ...row } of rows) byBody.set(body.toString(), [...(byBody.get(body.toString()) ?? []), row])
  return byBody
}
