import { afterAll, expect, it } from 'vitest'
import { openApiDocument } from '../../../lambdas/api/openapi.ts'
import { routes } from '../../../lambdas/api/routes.ts'
import { serveDocs } from '../../../local/http/docs-page.ts'
import { rawServer } from '../../../local/http/server.ts'

const app = rawServer(1024)
app.get('/v1/openapi.json', (_request, reply) => reply.send(JSON.stringify(openApiDocument(routes))))
serveDocs(app)
afterAll(() => app.close())

it('shows every operation with who may call it, every link leads somewhere, and nothing is loaded from elsewhere', async () => {
  const { statusCode, body } = await app.inject('/docs')
  expect(statusCode).toBe(200)
  for (const { operationId, summary } of routes) {
    expect(body).toContain(`<section id="${operationId}">`)
    expect(body).toContain(summary.replaceAll('"', '&quot;').replaceAll('<', '&lt;'))
  }
  expect(body).toContain('For: manager, admin.')
  const ids = new Set([...body.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]))
  for (const [, target] of body.matchAll(/href="#([^"]+)"/g)) expect(ids, target).toContain(target)
  expect(body).not.toMatch(/<script|<link|src=|url\(|https?:/)
})
