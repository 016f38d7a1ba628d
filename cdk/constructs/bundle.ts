import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AssetHashType, DockerImage, type BundlingOptions } from 'aws-cdk-lib'
import { Code } from 'aws-cdk-lib/aws-lambda'
import { buildSync } from 'esbuild'

export const REPOSITORY = join(import.meta.dirname, '../..')

/** pg, redis and firebase-admin call `require` for Node's own modules, which an ES module does not have. */
const REQUIRE_IN_ESM = "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);"

/** A Lambda's bundle as a code asset. */
export function lambdaBundle(folder: string): Code {
  return Code.fromAsset(join(REPOSITORY, 'lambdas'), {
    assetHashType: AssetHashType.OUTPUT,
    bundling: locally(folder, (outputDir) => buildBundle(folder, outputDir)),
  })
}

/**
 * Writes the entry `lambdas/{folder}/{folder}.lambda.ts` as one ES module, `index.mjs` beside its source map. esbuild is
 * called here and not through NodejsFunction, which starts `npx esbuild` for each function: a second each, and it fails
 * under `npm exec`. The AWS SDK is inside, so that the tests and local/ run the very code of production.
 */
export function buildBundle(folder: string, outputDir: string): void {
  const entry = `lambdas/${folder}/${folder}.lambda.ts`
  if (!existsSync(join(REPOSITORY, entry))) throw new Error(`cannot bundle ${entry}: there is no such file`)
  buildSync({
    absWorkingDir: REPOSITORY,
    entryPoints: [entry],
    outfile: join(outputDir, 'index.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    external: ['pg-native'],
    banner: { js: REQUIRE_IN_ESM },
    minify: true,
    keepNames: true,
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'none',
    logLevel: 'error',
  })
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
