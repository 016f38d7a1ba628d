import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import type { BufferStatus } from './agent-status.ts'
import { askAgent, askOnce } from './ask-agent.ts'
import { exportedMessages } from './buffer-contents.ts'
import type { Configuration } from './configuration.ts'
import { Failure } from './failure.ts'
import { Outbox } from './outbox.ts'
import { bufferLines } from './status-command.ts'

export const BUFFER_ACTIONS = ['show', 'export', 'drop'] as const
export type BufferAction = (typeof BUFFER_ACTIONS)[number]

const PROGRESS_EVERY = 10_000

/** What waits in the outbox: of the running agent by its socket, else in the file itself. */
export async function buffer(
  action: BufferAction,
  configuration: Configuration,
  { asJson, isConfirmed }: { asJson: boolean; isConfirmed: boolean },
): Promise<void> {
  const before = await show(configuration)
  if (action === 'show') {
    for (const line of asJson ? [JSON.stringify(before)] : bufferLines(before)) console.log(line)
  } else if (action === 'export') await exportAll(configuration, before.messages)
  else {
    if (!isConfirmed) await confirm(before.messages)
    console.log(`${await drop(configuration)} messages dropped; the next heartbeat declares them`)
  }
}

async function show(configuration: Configuration): Promise<BufferStatus> {
  const answers = await askAgent(configuration.dataDir, { command: 'buffer' })
  if (answers) for await (const answer of answers) return answer as BufferStatus
  return withFile(configuration, (outbox) => {
    const { usedBytes, maxBytes, freeDiskBytes, droppedCount } = outbox.extent
    return {
      ...{ mode: 'storing', messages: outbox.count, usedBytes, maxBytes, freeDiskBytes, droppedMessages: droppedCount },
      ...{ runwaySec: null, setAside: outbox.setAside ?? null },
    }
  })
}

/** A line of JSON per message, for whoever wants to keep or look at them. */
async function exportAll(configuration: Configuration, total: number): Promise<void> {
  let count = 0
  const tell = (message: unknown) => {
    console.log(JSON.stringify(message))
    count += 1
    if (process.stderr.isTTY && count % PROGRESS_EVERY === 0) process.stderr.write(`${count} of ${total}\r`)
  }
  const answers = await askAgent(configuration.dataDir, { command: 'export' })
  if (answers) for await (const message of answers) tell(message)
  else withFile(configuration, (outbox) => exportedMessages(outbox).forEach(tell))
}

async function drop(configuration: Configuration): Promise<number> {
  if (await askAgent(configuration.dataDir, { command: 'buffer' })) {
    return (await askOnce<{ dropped: number }>(configuration.dataDir, { command: 'drop' })).dropped
  }
  return withFile(configuration, (outbox) => outbox.dropAll())
}

async function confirm(messages: number): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new Failure('buffer drop: nobody is there to confirm; add --yes to drop what was read and not yet sent', 2)
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await terminal.question(
    `${messages} messages were read and not yet sent; they will be lost for ever. Type ${messages} to drop them: `,
  )
  terminal.close()
  if (answer.trim() !== String(messages)) throw new Failure('buffer drop: not confirmed; nothing was dropped', 1)
}

function withFile<T>({ dataDir, buffer: limits }: Configuration, work: (outbox: Outbox) => T): T {
  const file = join(dataDir, 'outbox.sqlite')
  if (!existsSync(file)) throw new Failure(`${file}: there is no outbox yet; it begins with the first run`, 1)
  const outbox = new Outbox(file, limits)
  try {
    return work(outbox)
  } finally {
    outbox.close()
  }
}
