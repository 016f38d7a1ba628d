import * as v from 'valibot'
import { openApiDocument } from '../openapi.ts'
import { openRoute, type Route } from '../route.ts'

/** @param routes all routes, this one included: hence a function. */
export function openApiRoute(routes: () => readonly Route[]): Route {
  let document: Record<string, unknown> | undefined
  return openRoute({
    method: 'GET',
    path: '/v1/openapi.json',
    operationId: 'getOpenApi',
    summary: 'This document',
    answer: { status: 200, schema: v.record(v.string(), v.unknown()) },
    handle: () => Promise.resolve((document ??= openApiDocument(routes()))),
  })
}
