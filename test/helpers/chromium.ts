import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

/** Chromium of `$CHROMIUM`, of the system, or the one that comes inside the package @sparticuz/chromium. */
async function chromiumPath(): Promise<string> {
  const installed = [process.env.CHROMIUM, '/usr/bin/chromium'].find((path) => path && existsSync(path))
  if (installed) return installed
  const { default: packaged } = await import('@sparticuz/chromium')
  return packaged.executablePath()
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
