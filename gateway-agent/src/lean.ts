import { mkdirSync } from 'node:fs'
import { execPath } from 'node:process'
import { join } from 'node:path'

/**
 * V8 with its interpreter only, and a young generation of 1 MB. The agent computes little (100 tags at 1 s: under 1 %
 * of a core), while compilers and a roomy heap cost 20 MB of the memory of a small gateway.
 */
export const LEAN_V8 = ['--lite-mode', '--max-semi-space-size=1']

/**
 * Starts the same command anew in this very process (same pid, same output), bundled and with a lean V8; returns when that
 * has been done, or cannot be: the agent then runs as it is, only bigger. Run from its sources, the agent would keep
 * Node's TypeScript compiler in memory as well (30 MB).
 */
export async function becomeLean(dataDir: string, args: string[]): Promise<void> {
  if (process.execArgv.includes(LEAN_V8[0]!) || !process.execve) return
  const program = await programIn(dataDir)
  if (program) process.execve(execPath, [execPath, ...LEAN_V8, program, ...args], process.env)
}

/** The agent as JavaScript: this file when it is a bundle already, else one made of the sources. */
async function programIn(dataDir: string): Promise<string | undefined> {
  if (!import.meta.filename.endsWith('.ts')) return process.argv[1]
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    const { bundleAgent } = await import('../build.ts')
    return bundleAgent(join(dataDir, 'program'), { selfContained: false })
  } catch {
    return undefined
  }
}
