import type { DatabaseSync } from 'node:sqlite'
import { PersistenceManager } from '../../node_modules/fauxqs/dist/persistence.js'

/**
 * fauxqs 2.4.1 keeps queues in SQLite. Two things differ here:
 * - Visibility 0 made its own `updateMessageReady` write null into a column that is not null: the call answered 500 and
 *   the message stayed hidden until a restart.
 * - `synchronous = NORMAL`: the file is whole after kill -9, and a write costs no fsync. After a power cut of the
 *   developer's machine the last messages may be gone, as may the gateway's that sent them.
 */
export class QueueStorage extends PersistenceManager {
  readonly #ready

  constructor(dataDir: string) {
    super(dataDir)
    // Private in the types only; the version is pinned, and a test sends a message back with visibility 0.
    const { db } = this as unknown as { db: DatabaseSync }
    db.exec('PRAGMA synchronous = NORMAL')
    this.#ready = db.prepare(
      'UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?',
    )
  }

  override updateMessageReady(messageId: string): void {
    this.#ready.run(messageId)
  }
}
