import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Figure } from './figure.ts'

const root = join(import.meta.dirname, '../..')

type Manifest = Record<string, { file: string; imports?: string[]; isEntry?: boolean }>

/** Gzip bytes of the JavaScript that the page needs to begin, and of what its other parts fetch besides. */
export function benchJavaScript(): Figure[] {
  const folder = mkdtempSync(join(tmpdir(), 'bench-web-'))
  try {
    const vite = join(root, 'node_modules/vite/bin/vite.js')
    const options = ['--outDir', folder, '--emptyOutDir', '--manifest', '--logLevel', 'error']
    execFileSync(process.execPath, [vite, 'build', 'web', ...options], { cwd: root })
    const manifest = JSON.parse(readFileSync(join(folder, '.vite/manifest.json'), 'utf8')) as Manifest
    const filesOf = (source: string): string[] => {
      const chunk = manifest[source]
      if (!chunk) throw new Error(`the build has no chunk of ${source}`)
      return [chunk.file, ...(chunk.imports ?? []).flatMap(filesOf)]
    }
    const kilobytes = (files: Set<string>) =>
      [...files].reduce((sum, file) => sum + gzipSync(readFileSync(join(folder, file))).length, 0) / 1024
    const entry = Object.entries(manifest).find(([, { isEntry }]) => isEntry)?.[0]
    if (entry === undefined) throw new Error('the build has no entry')

    const initial = new Set(filesOf(entry))
    const pages = new Set(filesOf('src/views/signed-in-pages.ts'))
    const besides = (source: string) => kilobytes(new Set(filesOf(source)).difference(initial).difference(pages))
    const chart = besides('src/components/chart/ChartsPanel.vue')
    return [
      {
        what: 'initial JavaScript of the web app',
        measured: `${kilobytes(initial).toFixed(0)} KB gzip in ${initial.size} files; the pages after signing in ${kilobytes(pages.difference(initial)).toFixed(0)} KB more`,
        toReach: 'at most 150 KB gzip',
        reached: kilobytes(initial) <= 150,
      },
      {
        what: 'JavaScript that the chart adds',
        measured: `${chart.toFixed(0)} KB gzip`,
        toReach: 'at most 60 KB gzip',
        reached: chart <= 60,
      },
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}
