/** `/docs`: the API's OpenAPI document as a page that a person reads, without script and without anything from elsewhere. */
import type { FastifyInstance } from 'fastify'
import * as v from 'valibot'

const Schema = v.record(v.string(), v.unknown())
const Content = v.optional(v.record(v.string(), v.looseObject({ schema: v.optional(Schema) })), {})
const Operation = v.object({
  operationId: v.string(),
  summary: v.string(),
  description: v.optional(v.string(), ''),
  parameters: v.optional(
    v.array(v.object({ name: v.string(), in: v.string(), required: v.boolean(), schema: Schema })),
    [],
  ),
  requestBody: v.optional(v.object({ content: Content })),
  responses: v.record(v.string(), v.looseObject({ description: v.string(), content: Content })),
})
type Operation = v.InferOutput<typeof Operation>
const Document = v.object({
  info: v.object({ title: v.string(), version: v.string() }),
  paths: v.record(v.string(), v.record(v.string(), Operation)),
  components: v.object({ schemas: v.record(v.string(), Schema) }),
})

export function serveDocs(app: FastifyInstance): void {
  app.get('/docs', async (_request, reply) => {
    const { statusCode, body } = await app.inject('/v1/openapi.json')
    if (statusCode !== 200) return reply.code(502).type('text/plain').send(`/v1/openapi.json answered ${statusCode}`)
    return reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .send(page(v.parse(Document, JSON.parse(body))))
  })
}

function page({ info, paths, components }: v.InferOutput<typeof Document>): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
  const index = operations.map(
    ({ method, path, operation }) =>
      `<li><a href="#${operation.operationId}"><b>${method}</b> ${escaped(path)}</a> <small>${escaped(operation.summary)}</small></li>`,
  )
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) => `<section id="schema-${name}"><h3>${name}</h3>${shown(schema)}</section>`,
  )
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(info.title)} API</title><style>${STYLE}</style>
<h1>${escaped(info.title)} API <small>${escaped(info.version)}</small></h1>
<p>From <a href="/v1/openapi.json">/v1/openapi.json</a>. Errors are problem+json; lists answer <code>items</code> and <code>nextCursor</code>.</p>
<nav><ul>${index.join('')}</ul></nav>
${operations.map(section).join('')}
<h2>Schemas</h2>${schemas.join('')}</html>`
}

function section({ method, path, operation }: { method: string; path: string; operation: Operation }): string {
  const parameters = operation.parameters.map(
    (one) =>
      `<tr><td><code>${escaped(one.name)}</code></td><td>${one.in}${one.required ? ', required' : ''}</td><td>${shown(one.schema)}</td></tr>`,
  )
  const answers = Object.entries(operation.responses).map(
    ([status, { description, content }]) => `<h4>${status}: ${escaped(description)}</h4>${contents(content)}`,
  )
  return `<section id="${operation.operationId}"><h3><b>${method}</b> ${escaped(path)}</h3>
<p>${escaped(operation.summary)}. ${escaped(operation.description)}</p>
${parameters.length > 0 ? `<table>${parameters.join('')}</table>` : ''}
${operation.requestBody ? `<h4>Body</h4>${contents(operation.requestBody.content)}` : ''}
${answers.join('')}</section>`
}

const contents = (content: v.InferOutput<typeof Content>) =>
  Object.entries(content)
    .map(([type, { schema }]) => `<p><small>${escaped(type)}</small></p>${schema ? shown(schema) : ''}`)
    .join('')

/** JSON Schema as it is, with its references as links. */
const shown = (schema: Record<string, unknown>) =>
  `<pre>${escaped(JSON.stringify(schema, null, 1)).replaceAll(
    /#\/components\/schemas\/(\w+)/g,
    '<a href="#schema-$1">$1</a>',
  )}</pre>`

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

const STYLE = `:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:60rem;margin:2rem auto;padding:0 1rem}
h3{margin:2.5rem 0 0;font-family:ui-monospace,monospace;overflow-wrap:anywhere}h4{margin:1rem 0 0}nav ul{list-style:none;padding:0}nav b{display:inline-block;width:4rem}
pre{overflow:auto;max-height:20rem;margin:.25rem 0;padding:.5rem;font-size:12px;background:color-mix(in srgb,currentColor 6%,transparent);border-radius:4px}
small{opacity:.75}td{vertical-align:top;padding:.15rem .75rem .15rem 0}a{color:inherit}section:target>h3{background:color-mix(in srgb,orange 30%,transparent)}`
