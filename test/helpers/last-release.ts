/** What runs while a deployment migrates the database: the functions of the release before. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'

export const REPOSITORY = join(import.meta.dirname, '../..')

const git = (...args: string[]) => execFileSync('git', args, { cwd: REPOSITORY, stdio: ['ignore', 'pipe', 'ignore'] })

/** The newest tag `v…`; undefined when there is none, or no history (a copy of the files). */
export function lastRelease(): string | undefined {
  try {
    return git('tag', '--list', 'v*', '--sort=-v:refname', '--merged', 'HEAD').toString().split('\n')[0] || undefined
  } catch {
    return undefined
  }
}

/** A file of the release; undefined when it had none. */
export function fileOf(release: string, path: string): string | undefined {
  try {
    return git('show', `${release}:${path}`).toString()
  } catch {
    return undefined
  }
}

/** Paths in which the text is, among the release's sources of what runs: not the migrations themselves. */
export function usesOf(release: string, word: string): string[] {
  const where = ['lambdas', 'schemas', ':!lambdas/data/migrations', ':!lambdas/data/database.ts']
  try {
    return git('grep', '--word-regexp', '--name-only', word, release, '--', ...where)
      .toString()
      .trim()
      .split('\n')
  } catch {
    return []
  }
}

/** The folder of the release's sources, made below `folder`; without a release those of now. */
export function sourcesOf(release: string | undefined, folder: string): string {
  if (release === undefined) return REPOSITORY
  const sources = join(folder, release)
  mkdirSync(sources)
  const archive = `${sources}.tar`
  git('archive', '--output', archive, release, 'lambdas', 'schemas', 'package.json')
  execFileSync('tar', ['-x', '-C', sources, '-f', archive])
  // Those of now: what is older than a library in them would not be found.
  symlinkSync(join(REPOSITORY, 'node_modules'), join(sources, 'node_modules'))
  return sources
}

/** Bundles functions of these sources as cdk/constructs/bundle.ts does, and gives the file of each. */
export function bundlesOf(sources: string, names: string[], folder: string): Record<string, string> {
  buildSync({
    absWorkingDir: sources,
    entryPoints: Object.fromEntries(names.map((name) => [name, `lambdas/${name}/${name}.lambda.ts`])),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    ...{ bundle: true, format: 'esm', platform: 'node', target: 'node24', mainFields: ['module', 'main'] },
    external: ['pg-native'],
    banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
    logLevel: 'silent',
  })
  return Object.fromEntries(names.map((name) => [name, join(folder, `${name}.mjs`)]))
}
