import { globSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, normalize } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

/** The table "Who may import whom" of the house style. A package is named, a folder ends in "/". */
const MAY_IMPORT: Record<string, { folders: string[]; packages?: string[] }> = {
  schemas: { folders: ['schemas/'], packages: ['valibot', '@valibot/to-json-schema', 'node'] },
  'gateway-agent': { folders: ['schemas/', 'gateway-agent/'] },
  lambdas: { folders: ['schemas/', 'lambdas/'] },
  web: { folders: ['schemas/', 'web/'] },
  cdk: { folders: ['schemas/', 'cdk/'] },
  local: { folders: ['schemas/', 'local/'] },
  test: { folders: ['schemas/', 'gateway-agent/', 'lambdas/', 'web/', 'cdk/', 'local/', 'test/'] },
}

/** Inside a folder: what each layer may import of it, besides its own files. Order: from the edge to the core. */
/** What handler folders share, from the edge to the core: each may import those behind it. */
const LAMBDA_SHARED = ['gateways', 'alarms', 'parquet', 'data', 'runtime']
const WEB_LAYERS: Record<string, string[]> = {
  components: ['live', 'history', 'api', 'auth'],
  live: ['api', 'auth'],
  history: ['api', 'auth'],
  api: ['auth'],
  auth: ['api'],
}
const AGENT_CORE: Record<string, string[]> = {
  poller: ['publisher', 'heartbeat', 'main'],
  publisher: ['poller', 'heartbeat', 'main'],
  outbox: ['poller', 'publisher', 'heartbeat', 'main', 'drivers'],
  drivers: ['poller', 'publisher', 'heartbeat', 'main', 'outbox'],
}

const root = join(import.meta.dirname, '../..')

interface Import {
  file: string
  target: string
}

/** Every static and dynamic import of a literal, relative ones as a path from the root. */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
  const code = file.endsWith('.vue')
    ? [...text.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)].map((m) => m[1]).join('\n')
    : text
  return ts.preProcessFile(code, true, true).importedFiles.map(({ fileName }) => ({
    file,
    target: fileName.startsWith('.')
      ? normalize(join(dirname(file), fileName))
      : fileName.startsWith('@/')
        ? fileName.replace('@/', 'web/src/')
        : fileName,
  }))
}

const files = globSync('{schemas,gateway-agent,lambdas,web,cdk,local,test}/**/*.{ts,vue}', {
  cwd: root,
  exclude: (path) => /node_modules|cdk\.out|dist/.test(path),
})
const imports = files.flatMap(importsOf)
const isLocal = ({ target }: Import) => Object.keys(MAY_IMPORT).some((folder) => target.startsWith(`${folder}/`))
const isNode = (name: string) => name.startsWith('node:') || builtinModules.includes(name)
const show = ({ file, target }: Import) => `${file} -> ${target}`

describe('who may import whom', () => {
  it('finds the imports it is to judge', () => {
    expect(imports.filter(isLocal).length).toBeGreaterThan(100)
  })

  it.each(Object.entries(MAY_IMPORT))('%s imports only what the table allows', (folder, { folders, packages }) => {
    const wrong = imports
      .filter(({ file }) => file.startsWith(`${folder}/`))
      .filter((found) => {
        if (isLocal(found)) return !folders.some((allowed) => found.target.startsWith(allowed))
        if (!packages) return false
        return !packages.some((name) => found.target === name || (name === 'node' && isNode(found.target)))
      })
    expect(wrong.map(show)).toEqual([])
  })

  it('nobody imports a Lambda entry but a test', () => {
    const wrong = imports.filter(({ file, target }) => target.endsWith('.lambda.ts') && !file.startsWith('test/'))
    expect(wrong.map(show)).toEqual([])
  })

  it('handler folders never import one another: own folder -> gateways, parquet -> data -> runtime', () => {
    const wrong = imports.filter(({ file, target }) => {
      if (!file.startsWith('lambdas/') || !target.startsWith('lambdas/')) return false
      const from = file.split('/')[1]!
      const to = target.split('/')[1]!
      if (from === to) return false
      return !LAMBDA_SHARED.slice(LAMBDA_SHARED.indexOf(from) + 1).includes(to)
    })
    expect(wrong.map(show)).toEqual([])
  })

  it('web: views -> components, live, history -> api, auth', () => {
    const layer = (path: string) => /^web\/src\/([^/]+)\//.exec(path)?.[1]
    const wrong = imports.filter(({ file, target }) => {
      const from = layer(file)
      const to = layer(target)
      if (!from || !to || from === to) return false
      if (to === 'views') return from in WEB_LAYERS
      return from in WEB_LAYERS && to in { ...WEB_LAYERS, views: 1 } && !WEB_LAYERS[from]!.includes(to)
    })
    expect(wrong.map(show)).toEqual([])
  })

  it('gateway-agent: poller and publisher meet only in the outbox', () => {
    const part = (path: string) => /^gateway-agent\/src\/([a-z-]+)/.exec(path)?.[1]
    const wrong = imports.filter(({ file, target }) => AGENT_CORE[part(file) ?? '']?.includes(part(target) ?? ''))
    expect(wrong.map(show)).toEqual([])
  })
})
