import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { messageOf } from './failure.ts'

/** Where a secret is kept: it never stands in the configuration itself, which is copied, printed and mailed. */
export type Secret = { env: string } | { file: string }

/** The secret; a file is relative to `folder`, and its last line's end is not part of it. Throws an Error that says what to do. */
export function readSecret(secret: Secret, folder: string): string {
  if ('env' in secret) {
    const value = process.env[secret.env]
    if (!value) throw new Error(`the environment has no variable ${secret.env}; set it for the agent's user`)
    return value
  }
  const file = resolve(folder, secret.file)
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new Error(`${file}: cannot be read (${messageOf(error)}); give it to the agent's user`, { cause: error })
  }
}
