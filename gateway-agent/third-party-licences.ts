import { existsSync, globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/**
 * Name, version and licence of each package whose files are in a bundle, with the texts that their authors ask to be
 * passed on with it. `inputs`: paths of esbuild's metafile.
 */
export function licencesOf(inputs: string[]): string {
  const folders = new Set(inputs.flatMap((input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []))
  return [...folders]
    .toSorted()
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        name: string
        version: string
        license?: string
      }
      const texts = globSync('{LICENSE,LICENCE,license,licence,COPYING,NOTICE}*', { cwd: folder })
        .map((file) => resolve(folder, file))
        .map((file) => readFileSync(file, 'utf8').trim())
      const text = texts.length > 0 ? texts.join('\n\n') : readmeOf(folder)
      return `${name} ${version} (${license ?? 'see below'})\n\n${text}\n`
    })
    .join(`\n${'-'.repeat(80)}\n\n`)
}

/** Old packages state their licence in there. */
function readmeOf(folder: string): string {
  const readme = join(folder, 'README.md')
  return existsSync(readme) ? readFileSync(readme, 'utf8').trim() : ''
}
