import { join } from 'node:path'
import { buildSync } from 'esbuild'

/** Bundles the agent into `directory`, each driver and command a file of its own; returns the program to start. */
export function bundleAgent(directory: string): string {
  buildSync({
    entryPoints: { 'gateway-agent': join(import.meta.dirname, 'src/main.ts') },
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minify: true,
    keepNames: true,
    // The CommonJS packages inside still call require for Node's own modules.
    banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
    external: ['serialport', './build.ts', '../build.ts'],
    logLevel: 'silent',
  })
  return join(directory, 'gateway-agent.mjs')
}

// node gateway-agent/build.ts DIRECTORY: the files to install on a gateway.
if (import.meta.main) {
  const [directory] = process.argv.slice(2)
  if (!directory) {
    console.error('usage: node gateway-agent/build.ts DIRECTORY')
    process.exit(2)
  }
  console.log(bundleAgent(directory))
}
