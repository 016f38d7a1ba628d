/** Payload format 2.0 of an HTTP API: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html */
import type { FastifyRequest } from 'fastify'
import * as v from 'valibot'
import { ACCOUNT_ID } from '../aws-identity.ts'
import { apiHost } from '../assembly/physical-values.ts'

export type HttpEvent = ReturnType<typeof httpEvent>

const TEXT = /^(text\/|application\/(.*\+)?(json|xml|javascript|x-www-form-urlencoded))/i

export function httpEvent(
  request: FastifyRequest,
  apiId: string,
  routeKey: string,
  pathParameters?: Record<string, string>,
) {
  const [rawPath = '', rawQueryString = ''] = request.raw.url!.split(/\?(.*)/s)
  const { cookie, ...others } = request.headers
  const headers = Object.fromEntries(Object.entries(others).map(([name, value]) => [name, [value].flat().join(',')]))
  const query = new URLSearchParams(rawQueryString)
  const body = request.body as Buffer
  const isText = body.length === 0 || TEXT.test(request.headers['content-type'] ?? 'text/plain')
  const now = new Date()
  return {
    version: '2.0',
    routeKey,
    rawPath,
    rawQueryString,
    ...(cookie === undefined ? {} : { cookies: cookie.split('; ') }),
    headers,
    ...(query.size === 0
      ? {}
      : {
          queryStringParameters: Object.fromEntries(
            [...query.keys()].map((name) => [name, query.getAll(name).join(',')]),
          ),
        }),
    ...(pathParameters && { pathParameters }),
    requestContext: {
      accountId: ACCOUNT_ID,
      apiId,
      domainName: apiHost(apiId),
      domainPrefix: apiId,
      http: {
        method: request.method,
        path: rawPath,
        protocol: 'HTTP/1.1',
        sourceIp: request.ip,
        userAgent: request.headers['user-agent'] ?? '',
      },
      requestId: request.id,
      routeKey,
      stage: '$default',
      time: now.toUTCString(),
      timeEpoch: now.getTime(),
    },
    ...(body.length === 0 ? {} : { body: body.toString(isText ? 'utf8' : 'base64') }),
    isBase64Encoded: !isText,
  }
}

/** What a function answers: this form, or any value, which then is the JSON body of a 200. */
export const HttpResult = v.object({
  statusCode: v.number(),
  headers: v.optional(v.record(v.string(), v.union([v.string(), v.number(), v.boolean()])), {}),
  cookies: v.optional(v.array(v.string()), []),
  body: v.optional(v.string(), ''),
  isBase64Encoded: v.optional(v.boolean(), false),
})
