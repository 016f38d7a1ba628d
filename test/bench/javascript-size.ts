import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Figure } from './figure.ts'

const root = join(import.meta.dirname, '../..')

/** Gzip bytes of the JavaScript that index.html names: its module and what it preloads. */
export function benchJavaScript(): Figure {
  const folder = mkdtempSync(join(tmpdir(), 'bench-web-'))
  try {
    const vite = join(root, 'node_modules/vite/bin/vite.js')
    execFileSync(process.execPath, [vite, 'build', 'web', '--outDir', folder, '--emptyOutDir', '--logLevel', 'error'], {
      cwd: root,
    })
    const html = readFileSync(join(folder, 'index.html'), 'utf8')
    const scripts = [...html.matchAll(/(?:src|href)="\/?([^"]+\.js)"/g)].map((match) => match[1]!)
    if (scripts.length === 0) throw new Error('index.html names no script')
    const bytes = scripts.reduce((sum, script) => sum + gzipSync(readFileSync(join(folder, script))).length, 0)
    return {
      what: 'initial JavaScript of the web app',
      measured: `${(bytes / 1024).toFixed(0)} KB gzip in ${scripts.length} files`,
      toReach: 'at most 150 KB gzip',
      reached: bytes <= 150 * 1024,
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
