import type pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import type { Quality, Scalar } from '../../schemas/telemetry.ts'
import { DAY_MS } from './partitions.ts'

export interface StoredMessage {
  machineId: string
  ts: number
  seq: number
  receivedAt: number
  values: Record<string, Scalar>
  quality: Record<string, Quality> | null
}

export interface MessagesOf {
  tenantId: string
  /** Days since 1970-01-01, UTC. */
  day: number
  machineIds?: readonly string[] | undefined
  /** Only those that archived_seqs does not know. */
  notArchived?: boolean
  /** Only what comes after this one. */
  after?: { machineId: string; ts: number; seq: number } | undefined
}

/**
 * The messages of a day by machine, time and seq, by one COPY: the server sends no faster than they are taken, and chooses
 * itself whether to sort the day or to follow the index. The client can do nothing else meanwhile, and nothing any more when
 * its messages were not taken to the end. They come in packs of the size of a network packet.
 */
export async function* copyMessages(client: pg.ClientBase, messages: MessagesOf): AsyncGenerator<StoredMessage[]> {
  // Its time is that of whoever takes the messages.
  await client.query('set statement_timeout = 0')
  const stream = client.query(copyTo(`copy (${selectOf(messages)}) to stdout`))
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const end = bytes.lastIndexOf(LINE_END) + 1
    rest = bytes.subarray(end)
    if (end === 0) continue
    yield bytes
      .toString('utf8', 0, end - 1)
      .split('\n')
      .map(messageOf)
  }
}

const LINE_END = 0x0a

/** Values are of ours, not of anybody's text: uuids and numbers. */
function selectOf({ tenantId, day, machineIds, notArchived = false, after }: MessagesOf): string {
  const uuids = machineIds?.map(uuid).join()
  return `select e.machine_id, e.ts, e.seq, e.received_at, e.values, e.quality from telemetry_events e
    ${notArchived ? `left join archived_seqs a on a.machine_id = e.machine_id and a.day = ${number(day)}` : ''}
    where e.tenant_id = ${uuid(tenantId)}
      and e.ts >= ${number(day * DAY_MS)} and e.ts < ${number((day + 1) * DAY_MS)}
      ${uuids === undefined ? '' : `and e.machine_id = any(array[${uuids}]::uuid[])`}
      ${notArchived ? 'and (a.seqs is null or not a.seqs @> e.seq)' : ''}
      ${after === undefined ? '' : `and (e.machine_id, e.ts, e.seq) > (${uuid(after.machineId)}, ${number(after.ts)}, ${number(after.seq)})`}
    order by e.machine_id, e.ts, e.seq`
}

function uuid(id: string): string {
  if (!/^[0-9a-f-]{36}$/.test(id)) throw new Error(`not a uuid: ${id}`)
  return `'${id}'::uuid`
}

function number(value: number): string {
  if (!Number.isSafeInteger(value)) throw new Error(`not a whole number: ${value}`)
  return String(value)
}

/** https://www.postgresql.org/docs/16/sql-copy.html, "Text Format": JSON has no other escapes than of backslashes. */
function messageOf(line: string): StoredMessage {
  const [machineId, ts, seq, receivedAt, values, quality] = line.split('\t') as [
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  return {
    machineId,
    ...{ ts: Number(ts), seq: Number(seq), receivedAt: Number(receivedAt) },
    values: JSON.parse(unescaped(values)) as StoredMessage['values'],
    quality: quality === '\\N' ? null : (JSON.parse(unescaped(quality)) as StoredMessage['quality']),
  }
}

const unescaped = (text: string) => (text.includes('\\') ? text.replaceAll('\\\\', '\\') : text)
