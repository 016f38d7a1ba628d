import { createHash } from 'node:crypto'
import type { ArchiveFile } from '../data/archive-files.ts'
import { countSamples } from '../parquet/read-samples.ts'
import type { Objects } from '../runtime/objects.ts'

export class VerificationFailed extends Error {}

/** Reads an object as anybody would who asks the archive. Throws VerificationFailed when it is not the file that was written. */
export async function readBack(
  objects: Objects,
  key: string,
  file: Pick<ArchiveFile, 'sha256' | 'messages' | 'samples'>,
): Promise<void> {
  const bytes = await objects.get(key).catch((error: unknown) => {
    throw isAbsent(error) ? new VerificationFailed(`${key} is not there`) : error
  })
  if (!createHash('sha256').update(bytes).digest().equals(file.sha256))
    throw new VerificationFailed(`${key} has not the bytes that were written`)
  const { messages, samples } = await countSamples(bytes)
  if (messages !== file.messages || samples !== file.samples) {
    const [found, written] = [`${messages} messages, ${samples} samples`, `${file.messages} and ${file.samples}`]
    throw new VerificationFailed(`${key} holds ${found} instead of ${written}`)
  }
}

const isAbsent = (error: unknown) => error instanceof Error && error.name === 'NoSuchKey'
