import { describe, expect, it } from 'vitest'
import { findRoute } from '../../../local/http/route-key.ts'

const routes = [
  'ANY /v1/{proxy+}',
  'GET /v1/health',
  'POST /v1/enrolments',
  'GET /v1/plants/{id}',
  'ANY /v1/plants/{id}',
].map((key) => ({ key }))
const find = (method: string, path: string) => {
  const found = findRoute(routes, method, path)
  return found && [found.route.key, found.pathParameters]
}

describe('routes of an HTTP API', () => {
  it.each([
    ['GET', '/v1/health', ['GET /v1/health', undefined]],
    ['POST', '/v1/health', ['ANY /v1/{proxy+}', { proxy: 'health' }]],
    ['GET', '/v1/a/b%20c', ['ANY /v1/{proxy+}', { proxy: 'a/b c' }]],
    ['GET', '/v1/plants/7', ['GET /v1/plants/{id}', { id: '7' }]],
    ['PUT', '/v1/plants/7', ['ANY /v1/plants/{id}', { id: '7' }]],
    ['GET', '/v1/', undefined],
    ['GET', '/v2/health', undefined],
  ])('%s %s', (method, path, expected) => {
    expect(find(method, path)).toEqual(expected)
  })
})
