import { globSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { AssetHashType, DockerImage, type BundlingOptions } from 'aws-cdk-lib'
import { Code } from 'aws-cdk-lib/aws-lambda'
import { buildSync, type OutputFile } from 'esbuild'

export const REPOSITORY = join(import.meta.dirname, '../..')

/** pg, redis and firebase-admin call `require` for Node's own modules, which an ES module does not have. */
const REQUIRE_IN_ESM = "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);"

/** The bundle of a Lambda folder as a code asset. */
export function lambdaBundle(folder: string): Code {
  return Code.fromAsset(join(REPOSITORY, 'lambdas'), {
    assetHashType: AssetHashType.OUTPUT,
    bundling: locally(folder, (outputDir) => buildBundle(folder, outputDir)),
  })
}

/**
 * Writes the entry `lambdas/{folder}/{folder}.lambda.ts` as one ES module, `index.mjs`, and its source map. The AWS SDK is
 * inside, so that tests and local/ run the very code of production.
 */
export function buildBundle(folder: string, outputDir: string): void {
  bundles ??= bundleAll()
  const files = bundles.filter(({ path }) => basename(dirname(path)) === folder)
  if (files.length === 0) throw new Error(`there is no lambdas/${folder}/${folder}.lambda.ts to bundle`)
  mkdirSync(outputDir, { recursive: true })
  for (const { path, contents } of files) writeFileSync(join(outputDir, basename(path)), contents)
}

let bundles: OutputFile[] | undefined

/**
 * Every entry in one run of esbuild, which reads what they share once: half the time of a run for each. NodejsFunction
 * would start `npx esbuild` for each function: a second each, and it fails under `npm exec`.
 */
function bundleAll(): OutputFile[] {
  const entries = globSync('lambdas/*/*.lambda.ts', { cwd: REPOSITORY })
  return buildSync({
    absWorkingDir: REPOSITORY,
    entryPoints: Object.fromEntries(entries.map((entry) => [`${basename(dirname(entry))}/index`, entry])),
    // Nothing is written there; the paths in the source maps are relative to it.
    outdir: 'cdk.out',
    write: false,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    external: ['pg-native'],
    banner: { js: REQUIRE_IN_ESM },
    minify: true,
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'none',
    logLevel: 'silent',
  }).outputFiles
}

/** Bundling by this process, never by Docker. `what` tells bundles of the same folder apart in the library's cache. */
export function locally(what: string, build: (outputDir: string) => void): BundlingOptions {
  return {
    image: DockerImage.fromRegistry('unused-local-bundling-only'),
    command: [what],
    local: {
      tryBundle(outputDir) {
        build(outputDir)
        return true
      },
    },
  }
}
