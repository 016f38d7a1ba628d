import { ApiError, notFound } from './problem.ts'
import type { Route } from './route.ts'

export interface FoundRoute {
  route: Route
  params: Record<string, string>
}

/** Throws ApiError: 404 for a path that no route has, 405 for a method that the path has not. */
export function findRoute(routes: readonly Route[], method: string, path: string): FoundRoute {
  const candidates = routes.flatMap((route) => {
    const params = matchPath(route.path, path)
    return params ? [{ route, params }] : []
  })
  const found = candidates.find(({ route }) => route.method === method)
  if (found) return found
  if (candidates.length === 0) throw notFound()
  const allowed = candidates.map(({ route }) => route.method).join(', ')
  throw new ApiError('method_not_allowed', `This path takes ${allowed}.`, { headers: { allow: allowed } })
}

/** Not decoded: no id of ours needs an escape, so an escaped one names nothing. */
function matchPath(template: string, path: string): Record<string, string> | undefined {
  const wanted = template.split('/')
  const given = path.split('/')
  if (wanted.length !== given.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of wanted.entries()) {
    const value = given[index]!
    if (segment.startsWith('{')) params[segment.slice(1, -1)] = value
    else if (segment !== value) return undefined
  }
  return params
}
