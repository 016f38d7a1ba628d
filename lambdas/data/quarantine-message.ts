import { type Kysely, sql } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import { SHOWN_PAYLOAD_BYTES } from '../../schemas/api.ts'
import type { DeadLetterCode } from '../../schemas/error-codes.ts'
import type { Database, Quarantine } from './database.ts'

/** A dead letter with as much of its origin as it tells. The names may be of nothing that exists. */
export interface QuarantinedMessage {
  /** Of SQS: of the message that was refused, which may be refused twice. */
  messageId: string
  queue: Quarantine['queue']
  code: DeadLetterCode
  message: string
  topic: string | null
  tenant: string | null
  province: string | null
  plant: string | null
  machine: string | null
  thingName: string | null
  receivedAt: number | null
  body: Buffer
  payload: Buffer
}

/** Stores it with its tenant and plant, where there are such. False when it is stored already. */
export async function quarantineMessage(db: Kysely<Database>, letter: QuarantinedMessage): Promise<boolean> {
  const { messageId, queue, code, message, topic, machine, thingName, receivedAt, body, payload } = letter
  const { numAffectedRows } = await sql`
    insert into quarantine (id, message_id, tenant_id, plant_id, queue, code, message, topic, machine, thing_name,
      received_at, quarantined_at, body, payload_bytes, payload_head)
    select ${uuidv7()}::uuid, ${messageId}, t.id, p.id, ${queue}, ${code}, ${message}, ${topic}, ${machine}, ${thingName},
      ${receivedAt}::int8, ${Date.now()}::int8, ${body}::bytea, ${payload.length}::int4,
      ${payload.subarray(0, SHOWN_PAYLOAD_BYTES)}::bytea
    from (select) always
    left join tenants t on t.slug = ${letter.tenant}
    left join plants p on p.tenant_id = t.id and p.slug = ${letter.plant} and p.province = ${letter.province}
    on conflict (message_id) do nothing`.execute(db)
  return numAffectedRows === 1n
}
