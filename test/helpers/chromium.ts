import { existsSync, mkdirSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'

/** Chromium of `$CHROMIUM`, of the system, or the one that comes inside the package @sparticuz/chromium. */
async function chromiumPath(): Promise<string> {
  const installed = [process.env.CHROMIUM, '/usr/bin/chromium'].find((path) => path && existsSync(path))
  if (installed) return installed
  const { default: packaged } = await import('@sparticuz/chromium')
  // It unpacks into the temporary folder, where another user's copy cannot be run.
  const before = process.env.TMPDIR
  process.env.TMPDIR = join(tmpdir(), `chromium-of-user-${userInfo().uid}`)
  mkdirSync(process.env.TMPDIR, { recursive: true })
  try {
    return await packaged.executablePath()
  } finally {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  }
}

/** Headless, and silent towards the outside: its background services would wait for hosts that a test must not need. */
export async function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: await chromiumPath(),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
