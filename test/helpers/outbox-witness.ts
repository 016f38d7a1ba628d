import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { TelemetryV1 } from '../../schemas/telemetry.ts'

/** Keeps a copy of whatever the agent stores, in the same transaction, also of what it has sent and removed meanwhile. */
export function witnessOutbox(dataDir: string): void {
  inOutbox(dataDir, (outbox) =>
    outbox.exec(`create table witness (payload text not null) strict;
      create trigger witness after insert on message begin insert into witness values (new.payload); end;
      insert into witness select payload from message order by id`),
  )
}

/** All that was ever committed, in its order; the agent must have ended. */
export const committedIn = (dataDir: string): TelemetryV1[] =>
  inOutbox(dataDir, (outbox) =>
    (outbox.prepare('select payload from witness order by rowid').all() as { payload: string }[]).map(
      ({ payload }) => JSON.parse(payload) as TelemetryV1,
    ),
  )

function inOutbox<T>(dataDir: string, work: (outbox: DatabaseSync) => T): T {
  const outbox = new DatabaseSync(join(dataDir, 'outbox.sqlite'))
  try {
    return work(outbox)
  } finally {
    outbox.close()
  }
}
