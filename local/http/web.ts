/** CloudFront and the page's bucket: behaviours, headers and functions of the template over the built files. */
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { type Context, createContext, runInContext } from 'node:vm'
import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import * as v from 'valibot'
import type { Site, SiteBehaviour, SiteFile } from '../assembly/read-site.ts'
import { responseHeaders } from './response-headers.ts'

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
}

export interface WebOptions {
  site: Site
  /** Where an API's host really answers. */
  originOf: (apiHost: string) => string
  /** Puts this machine's addresses in the place of AWS host names. */
  localize: (text: string) => string
  /** What the page may connect to besides, in the local system. */
  connectSources: string[]
  /** Added to `firebase` in /config.json. */
  firebaseEmulatorUrl: string
}

export async function serveWeb(app: FastifyInstance, options: WebOptions): Promise<void> {
  for (const behaviour of options.site.behaviours) {
    const headers = responseHeaders(behaviour.headersPolicy, options)
    if (behaviour.apiHost === undefined) {
      app.get(fastifyPath(behaviour.pattern), (request, reply) =>
        sendFile(request, reply.headers(headers), behaviour, options),
      )
      continue
    }
    const prefix = fastifyPath(behaviour.pattern).replace(/\/\*$/, '')
    await app.register(httpProxy, {
      upstream: options.originOf(behaviour.apiHost),
      prefix,
      rewritePrefix: prefix,
      replyOptions: { rewriteHeaders: (given) => ({ ...given, ...headers }) },
    })
  }
}

function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  behaviour: SiteBehaviour,
  options: WebOptions,
): FastifyReply {
  const uri = rewritten(behaviour.functionCode, request)
  const found = options.site.files.get(decodeURIComponent(uri).slice(1))
  // What S3 answers to CloudFront for a key that is not there.
  if (!found) return reply.code(403).type('application/xml').send('<Error><Code>AccessDenied</Code></Error>')
  if (found.cacheControl !== undefined) void reply.header('cache-control', found.cacheControl)
  void reply.type(TYPES[extname(found.file)] ?? 'application/octet-stream')
  return reply.send(uri === '/config.json' ? configFor(found, options) : contentOf(found, options))
}

const functions = new Map<string, Context>()
/** CloudFront counts computing and no waiting; this is a clock, and on a busy machine a thread may wait long for a processor. */
const FUNCTION_TIMEOUT_MS = 5_000

/** The path that the CloudFront function makes of the request's: its real code is run. */
function rewritten(code: string | undefined, request: FastifyRequest): string {
  const uri = request.raw.url!.split('?')[0]!
  if (code === undefined) return uri
  const event = { version: '1.0', request: { method: request.method, uri, querystring: {}, headers: {}, cookies: {} } }
  let context = functions.get(code)
  if (!context) {
    context = createContext({})
    runInContext(code, context, { timeout: FUNCTION_TIMEOUT_MS })
    functions.set(code, context)
  }
  context.event = event
  const result: unknown = runInContext('handler(event)', context, { timeout: FUNCTION_TIMEOUT_MS })
  return v.parse(
    v.object({ uri: v.string() }, 'local/ knows only CloudFront functions that return the request'),
    result,
  ).uri
}

function contentOf({ file, markers }: SiteFile, { localize }: WebOptions): Buffer {
  const content = readFileSync(file)
  if (Object.keys(markers).length === 0) return content
  let text = content.toString()
  for (const [marker, value] of Object.entries(markers)) text = text.replaceAll(marker, localize(value))
  return Buffer.from(text)
}

function configFor(file: SiteFile, options: WebOptions): string {
  const config = v.parse(
    v.looseObject({ firebase: v.looseObject({}) }),
    JSON.parse(contentOf(file, options).toString()),
  )
  return JSON.stringify({ ...config, firebase: { ...config.firebase, emulatorUrl: options.firebaseEmulatorUrl } })
}

/** CloudFront's `/v1/*` is Fastify's too; the default behaviour takes everything else. */
function fastifyPath(pattern: string | undefined): string {
  if (pattern === undefined) return '/*'
  if (!/^\/[^*]*\/\*$/.test(pattern))
    throw new Error(`local/ does not know the path pattern ${pattern} of a distribution`)
  return pattern
}
