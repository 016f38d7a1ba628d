/** What a route is: one object from which the dispatcher, the OpenAPI document and the tests all work. */
import type * as v from 'valibot'
import type { OpenOperation, Operation } from '../../schemas/permissions.ts'
import type { User } from '../data/find-user.ts'
import type { Services } from './services.ts'

type Schema = v.GenericSchema
type Nothing = v.GenericSchema<unknown, Record<string, never>>

export type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'

/** A call whose input has passed its schemas. */
export interface OpenCall<Params extends Schema, Query extends Schema, Body extends Schema> {
  params: v.InferOutput<Params>
  query: v.InferOutput<Query>
  body: v.InferOutput<Body>
  requestId: string
  services: Services
}

export interface UserCall<Params extends Schema, Query extends Schema, Body extends Schema> extends OpenCall<
  Params,
  Query,
  Body
> {
  user: User
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
  answer: { status: number; schema: Answer }
}

export interface UserRoute<
  Params extends Schema = Schema,
  Query extends Schema = Schema,
  Body extends Schema = Schema,
  Answer extends Schema = Schema,
> extends Shape<Params, Query, Body, Answer> {
  isOpen: false
  /** schemas/permissions.ts says who may call it. */
  operationId: Operation
  handle(call: UserCall<Params, Query, Body>): Promise<Outcome<v.InferOutput<Answer>>>
}

export interface OpenRoute<
  Params extends Schema = Schema,
  Query extends Schema = Schema,
  Body extends Schema = Schema,
  Answer extends Schema = Schema,
> extends Shape<Params, Query, Body, Answer> {
  isOpen: true
  operationId: OpenOperation
  handle(call: OpenCall<Params, Query, Body>): Promise<Outcome<v.InferOutput<Answer>>>
}

export type Route = UserRoute | OpenRoute

/** The body alone, or with another status than the route's own. */
export type Outcome<Body> = Body | WithStatus<Body>

export class WithStatus<Body> {
  readonly status: number
  readonly body: Body

  constructor(status: number, body: Body) {
    this.status = status
    this.body = body
  }
}

/** Infers the types of a route's call from its schemas. */
export function userRoute<
  Answer extends Schema,
  Params extends Schema = Nothing,
  Query extends Schema = Nothing,
  Body extends Schema = Nothing,
>(route: Omit<UserRoute<Params, Query, Body, Answer>, 'isOpen'>): Route {
  return { ...route, isOpen: false }
}

export function openRoute<
  Answer extends Schema,
  Params extends Schema = Nothing,
  Query extends Schema = Nothing,
  Body extends Schema = Nothing,
>(route: Omit<OpenRoute<Params, Query, Body, Answer>, 'isOpen'>): Route {
  return { ...route, isOpen: true }
}
