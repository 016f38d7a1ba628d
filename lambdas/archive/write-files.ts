import { createHash } from 'node:crypto'
import { createReadStream, rmSync } from 'node:fs'
import { join } from 'node:path'
import { v7 as uuidv7 } from 'uuid'
import type { ArchiveFile, MachineSeqs } from '../data/archive-files.ts'
import { copyMessages, type MessagesOf, type StoredMessage } from '../data/copy-messages.ts'
import type { MachineNames } from '../data/machine-names.ts'
import { SampleBlock } from '../parquet/sample-block.ts'
import { SampleFile } from '../parquet/sample-file.ts'
import { multirangeOf } from './multirange.ts'
import type { Services } from './services.ts'

export interface WrittenFile {
  file: Omit<ArchiveFile, 'state'>
  path: string
  seqs: MachineSeqs[]
}

/**
 * Writes messages to files, one after the other, each of which `onFile` may take away before the next one is begun. False when
 * time was up before the last message.
 */
export async function writeFiles(
  { reader, folder, maxFile, hasTime, now }: Services,
  messages: MessagesOf,
  names: ReadonlyMap<string, MachineNames>,
  onFile: (written: WrittenFile) => Promise<void>,
): Promise<boolean> {
  const client = await reader.connect()
  let open: OpenFile | undefined
  let isWhole = false
  const finish = async (file: OpenFile) => {
    open = undefined
    try {
      await onFile(await file.close(now()))
    } finally {
      rmSync(file.path, { force: true })
    }
  }
  try {
    for await (const pack of copyMessages(client, messages)) {
      for (const message of pack) {
        if (!open) {
          if (!hasTime()) return false
          open = new OpenFile(folder, messages)
        }
        open.add(message, names.get(message.machineId))
        if (open.isBlockFull) await open.writeBlock()
        if (open.isAtLeast(maxFile)) await finish(open)
      }
    }
    isWhole = true
    if (open) await finish(open)
    return true
  } finally {
    if (open) rmSync(open.path, { force: true })
    client.release(!isWhole)
  }
}

class OpenFile {
  readonly #id = uuidv7()
  readonly #of: MessagesOf
  readonly #file: SampleFile
  readonly #block = new SampleBlock()
  readonly #seqs: MachineSeqs[] = []
  #seqsOfMachine: number[] = []
  #last: StoredMessage | undefined
  #messages = 0

  constructor(folder: string, of: MessagesOf) {
    this.#of = of
    this.#file = new SampleFile(join(folder, `${this.#id}.parquet`))
  }

  get path(): string {
    return this.#file.path
  }

  get isBlockFull(): boolean {
    return this.#block.isFull
  }

  isAtLeast({ bytes, samples }: Services['maxFile']): boolean {
    return this.#file.bytes >= bytes || this.#file.samples + this.#block.samples >= samples
  }

  /** A machine whose row is gone keeps its id for a name. */
  add(message: StoredMessage, names: MachineNames = { plant: '', machine: message.machineId }): void {
    if (this.#last && this.#last.machineId !== message.machineId) this.#endMachine()
    this.#block.add({ ...message, ...names })
    this.#seqsOfMachine.push(message.seq)
    this.#last = message
    this.#messages += 1
  }

  async writeBlock(): Promise<void> {
    await this.#file.write(this.#block.take())
  }

  async close(now: number): Promise<WrittenFile> {
    await this.writeBlock()
    await this.#file.close()
    this.#endMachine()
    const last = this.#last!
    const file = {
      ...{ id: this.#id, tenant_id: this.#of.tenantId, day: this.#of.day, created_at: now },
      ...{ messages: this.#messages, samples: this.#file.samples, bytes: this.#file.bytes },
      sha256: await sha256Of(this.path),
      ...{ last_machine_id: last.machineId, last_ts: last.ts, last_seq: last.seq },
    }
    return { file, path: this.path, seqs: this.#seqs }
  }

  #endMachine(): void {
    this.#seqs.push({ machineId: this.#last!.machineId, seqs: multirangeOf(this.#seqsOfMachine) })
    this.#seqsOfMachine = []
  }
}

async function sha256Of(path: string): Promise<Buffer> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest()
}
