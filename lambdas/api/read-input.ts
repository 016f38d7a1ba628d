import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import * as v from 'valibot'
import { isStorable } from '../../schemas/telemetry.ts'
import { ApiError, invalidField, notFound } from './problem.ts'
import type { Route } from './route.ts'

/** Larger than any body of ours, smaller than what would cost us time. */
export const MAX_BODY_BYTES = 1024 * 1024

const Nothing = v.strictObject({})

export interface RouteInput {
  params: unknown
  query: unknown
  body: unknown
}

/** Path, query and body after their schemas. Throws ApiError: 404 for a path, else 400 with every wrong field, or 413. */
export function readInput(route: Route, params: Record<string, string>, event: APIGatewayProxyEventV2): RouteInput {
  const path = v.safeParse(route.params ?? Nothing, params)
  if (!path.success) throw notFound()
  return {
    params: path.output,
    query: parsed(route.query ?? Nothing, event.queryStringParameters ?? {}),
    body: route.body ? parsed(route.body, jsonBody(event)) : {},
  }
}

function parsed(schema: v.GenericSchema, input: unknown): unknown {
  const unstorable = findUnstorable(input)
  if (unstorable !== undefined) throw invalidField(unstorable, 'must not contain U+0000 or a lone surrogate')
  const result = v.safeParse(schema, input)
  if (result.success) return result.output
  throw new ApiError('invalid_input', 'See errors for the wrong fields.', {
    fields: result.issues.map((issue) => ({ path: v.getDotPath(issue) ?? '', message: issue.message })),
  })
}

/** Path of a text that the database would refuse, whichever field it is in. Without recursion: bodies may be nested deeply. */
function findUnstorable(input: unknown): string | undefined {
  const waiting: [path: string, value: unknown][] = [['', input]]
  for (const [path, value] of waiting) {
    if (typeof value === 'string' && !isStorable(value)) return path
    if (typeof value !== 'object' || value === null) continue
    for (const [key, inner] of Object.entries(value)) {
      if (!isStorable(key)) return path
      waiting.push([path === '' ? key : `${path}.${key}`, inner])
    }
  }
  return undefined
}

function jsonBody(event: APIGatewayProxyEventV2): unknown {
  const bytes = Buffer.from(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8')
  if (bytes.length > MAX_BODY_BYTES) {
    throw new ApiError('payload_too_large', `The body may have at most ${MAX_BODY_BYTES} bytes.`)
  }
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    throw invalidField('', 'the body must be JSON')
  }
}
