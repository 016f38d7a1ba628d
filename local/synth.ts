/** Synthesizes the CDK app in a process of its own, unless nothing that goes into it has changed. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'

export const FIREBASE = { projectId: 'demo-iot-telemetry', apiKey: 'demo-api-key' }

const REPOSITORY = join(import.meta.dirname, '..')
const SOURCES = ['{cdk,lambdas,schemas,web}/**/*', 'docs/guia-del-operador.md', 'docs/screenshots/*']
const KEEP = 3

/** The one that runs here. */
export const STAGE = 'dev'

const CONTEXT = {
  stage: STAGE,
  firebaseProjectId: FIREBASE.projectId,
  firebaseApiKey: FIREBASE.apiKey,
  'aws:cdk:enable-asset-metadata': true,
}

/** The folder of the cloud assembly inside `cacheDir`. Rejects with what the app printed when it fails; `signal` ends it. */
export async function synthesize(cacheDir: string, signal: AbortSignal): Promise<string> {
  const folder = join(cacheDir, hashOfSources())
  if (existsSync(folder)) {
    utimesSync(folder, new Date(), new Date())
    return folder
  }
  mkdirSync(cacheDir, { recursive: true })
  const unfinished = `${folder}.${process.pid}`
  try {
    await runApp(unfinished, signal)
    // Another start may have been quicker with the same sources.
    if (!existsSync(folder)) renameSync(unfinished, folder)
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
  forgetOld(cacheDir)
  return folder
}

function runApp(outDir: string, signal: AbortSignal): Promise<void> {
  const env = { ...process.env, CDK_OUTDIR: outDir, CDK_CONTEXT_JSON: JSON.stringify(CONTEXT), CDK_VALIDATION: 'false' }
  const child = spawn(process.execPath, ['cdk/app.ts'], {
    cwd: REPOSITORY,
    env,
    signal,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve()
      else
        reject(new Error(`The CDK app could not be synthesized (exit code ${String(code)}):\n${output.slice(-4000)}`))
    })
  })
}

function hashOfSources(): string {
  const hash = createHash('sha256').update(JSON.stringify(CONTEXT)).update(process.version)
  const files = globSync(SOURCES, { cwd: REPOSITORY, exclude: (path) => /node_modules|(^|\/)dist(\/|$)/.test(path) })
  for (const file of [...files.sort(), 'package-lock.json']) {
    const path = join(REPOSITORY, file)
    if (statSync(path).isFile()) hash.update(file).update(readFileSync(path))
  }
  return hash.digest('hex').slice(0, 16)
}

function forgetOld(cacheDir: string): void {
  const folders = globSync('*', { cwd: cacheDir }).map((name) => join(cacheDir, name))
  const byAge = folders.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  for (const folder of byAge.slice(KEEP)) rmSync(folder, { recursive: true, force: true })
}
