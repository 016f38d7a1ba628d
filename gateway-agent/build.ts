import { cpSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildSync } from 'esbuild'
import { licencesOf } from './third-party-licences.ts'

/** Bundling it takes longer than everything else together. */
const OPCUA_PACKAGES = ['node-opcua-client', 'node-opcua-certificate-manager']

/**
 * Bundles the agent into `directory`, each driver and command a file of its own; returns the program to start. One that
 * is not self-contained is made sooner, and finds its largest library where it stands now. `asOneFile` puts all into one
 * that can be carried by itself, and is all in memory (a serial line wants the folder `prebuilds` beside it).
 */
export function bundleAgent(
  directory: string,
  { selfContained, asOneFile = false }: { selfContained: boolean; asOneFile?: boolean },
): string {
  const paths = selfContained
    ? []
    : OPCUA_PACKAGES.map((name) => [name, fileURLToPath(import.meta.resolve(name))] as const)
  const { metafile } = buildSync({
    metafile: true,
    entryPoints: { 'gateway-agent': join(import.meta.dirname, 'src/main.ts') },
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: !asOneFile,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minify: true,
    keepNames: true,
    banner: {
      // The CommonJS packages inside still call require for Node's own modules, and look for their files beside themselves.
      js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url),__inside=import.meta.dirname+'/inside';",
    },
    define: { __dirname: '__inside' },
    external: [
      './build.ts',
      '../build.ts',
      // node-opcua's lock asks for it only where Node's own means are missing.
      'proper-lockfile',
      ...paths.map(([, path]) => path),
    ],
    alias: Object.fromEntries(paths),
    logLevel: 'silent',
  })
  copySerialPrebuilds(directory)
  writeFileSync(join(directory, 'THIRD-PARTY-LICENCES.txt'), licencesOf(Object.keys(metafile.inputs)))
  return join(directory, 'gateway-agent.mjs')
}

/** serialport's part in C++, for every Linux: it loads ../prebuilds/PLATFORM-ARCH, counted from its own folder. */
function copySerialPrebuilds(directory: string): void {
  const { resolve } = createRequire(import.meta.url)
  const { resolve: resolveInside } = createRequire(resolve('serialport'))
  const prebuilds = join(dirname(resolveInside('@serialport/bindings-cpp/package.json')), 'prebuilds')
  cpSync(prebuilds, join(directory, 'prebuilds'), {
    recursive: true,
    filter: (from) => from === prebuilds || from.slice(prebuilds.length + 1).startsWith('linux-'),
  })
}

// npm run agent:build -- DIRECTORY [--one-file]: what to put on a gateway that has Node 24.
if (import.meta.main) {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { 'one-file': { type: 'boolean' } } })
  const [directory] = positionals
  if (!directory) {
    console.error('usage: npm run agent:build -- DIRECTORY [--one-file]')
    process.exit(2)
  }
  console.log(bundleAgent(directory, { selfContained: true, asOneFile: values['one-file'] ?? false }))
}
