/** What a route is: one object from which the dispatcher, the OpenAPI document and the tests all work. */
import type { Transaction } from 'kysely'
import type * as v from 'valibot'
import type { OpenOperation, Operation } from '../../schemas/permissions.ts'
import type { Database } from '../data/database.ts'
import type { User } from '../data/find-user.ts'
import type { Services } from './services.ts'

type Schema = v.GenericSchema
type Nothing = v.GenericSchema<unknown, Record<string, never>>
type NoBody = v.GenericSchema<unknown, undefined>

export type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'

/** A call whose input has passed its schemas. */
export interface OpenCall<Params extends Schema, Query extends Schema, Body extends Schema> {
  params: v.InferOutput<Params>
  query: v.InferOutput<Query>
  body: v.InferOutput<Body>
  requestId: string
  /** Of the caller, as API Gateway saw it. */
  sourceIp: string
  /** Header of the request, in lower case; empty when there is none. */
  accept: string
  services: Services
}

export interface UserCall<Params extends Schema, Query extends Schema, Body extends Schema> extends OpenCall<
  Params,
  Query,
  Body
> {
  user: User
  /** Epoch seconds of the sign-in. */
  authTime: number
  /**
   * For the id of what the call creates. The same again when a request with an Idempotency-Key is repeated after it broke
   * off half-way, so that what was made before is found by it.
   */
  newId: string
}

export interface ChangeCall<Params extends Schema, Query extends Schema, Body extends Schema> extends UserCall<
  Params,
  Query,
  Body
> {
  transaction: Transaction<Database>
  /** Throws ApiError (412) when If-Match names another version than this, which must be of a row that is locked. */
  mustMatch: (version: unknown) => void
  /** What must not be told before it is true: caches, sockets, queues. */
  afterCommit: (work: () => Promise<unknown>) => void
}

interface Shape<Params extends Schema, Query extends Schema, Body extends Schema, Answer extends Schema> {
  method: Method
  /** With `{name}` for a parameter of `params`. */
  path: `/v1/${string}`
  summary: string
  /** A value that does not pass answers 404: what cannot be an id names nothing. */
  params?: Params
  query?: Query
  body?: Body
  /** `otherStatus`: of a WithStatus. `otherContent`: type of an OtherContent. Neither schema nor other content: no body. */
  answer: { status: number; otherStatus?: number; schema?: Answer; otherContent?: string }
  /** What people change of the answer's object. Its hash is the answer's ETag, which If-Match is compared with. */
  version?: (answer: v.InferOutput<Answer>) => unknown
}

export interface UserRoute<
  Params extends Schema = Schema,
  Query extends Schema = Schema,
  Body extends Schema = Schema,
  Answer extends Schema = Schema,
> extends Shape<Params, Query, Body, Answer> {
  kind: 'user'
  /** schemas/permissions.ts says who may call it. */
  operationId: Operation
  handle(call: UserCall<Params, Query, Body>): Promise<Outcome<v.InferOutput<Answer>>>
}

export interface ChangeRoute<
  Params extends Schema = Schema,
  Query extends Schema = Schema,
  Body extends Schema = Schema,
  Answer extends Schema = Schema,
> extends Shape<Params, Query, Body, Answer> {
  kind: 'change'
  operationId: Operation
  handle(call: ChangeCall<Params, Query, Body>): Promise<Outcome<v.InferOutput<Answer>>>
}

export interface OpenRoute<
  Params extends Schema = Schema,
  Query extends Schema = Schema,
  Body extends Schema = Schema,
  Answer extends Schema = Schema,
> extends Shape<Params, Query, Body, Answer> {
  kind: 'open'
  operationId: OpenOperation
  handle(call: OpenCall<Params, Query, Body>): Promise<Outcome<v.InferOutput<Answer>>>
}

export type Route = UserRoute | ChangeRoute | OpenRoute

/** The body alone, with another status than the route's own, or something else than JSON. */
export type Outcome<Body> = Body | WithStatus<Body> | OtherContent

export class WithStatus<Body> {
  readonly status: number
  readonly body: Body

  constructor(status: number, body: Body) {
    this.status = status
    this.body = body
  }
}

/** Not JSON: a file to save. At most some 4 MB: a function may answer 6 MB, and bytes travel as base64. */
export class OtherContent {
  readonly contentType: string
  readonly content: string | Buffer
  readonly headers: Record<string, string>

  constructor(contentType: string, content: string | Buffer, headers: Record<string, string>) {
    this.contentType = contentType
    this.content = content
    this.headers = headers
  }
}

/**
 * A route that reads, or one whose work is more than one transaction: whatever it makes must be recognised when the call is
 * repeated after a crash, by its natural key or by `newId`. Infers the types of the call from the schemas.
 */
export function userRoute<
  Answer extends Schema = NoBody,
  Params extends Schema = Nothing,
  Query extends Schema = Nothing,
  Body extends Schema = Nothing,
>(route: Omit<UserRoute<Params, Query, Body, Answer>, 'kind'>): Route {
  return { ...route, kind: 'user' }
}

/** A change that is one transaction, which the frame opens: the answer to its Idempotency-Key is stored in it or not at all. */
export function changeRoute<
  Answer extends Schema = NoBody,
  Params extends Schema = Nothing,
  Query extends Schema = Nothing,
  Body extends Schema = Nothing,
>(route: Omit<ChangeRoute<Params, Query, Body, Answer>, 'kind'>): Route {
  return { ...route, kind: 'change' }
}

export function openRoute<
  Answer extends Schema = NoBody,
  Params extends Schema = Nothing,
  Query extends Schema = Nothing,
  Body extends Schema = Nothing,
>(route: Omit<OpenRoute<Params, Query, Body, Answer>, 'kind'>): Route {
  return { ...route, kind: 'open' }
}
