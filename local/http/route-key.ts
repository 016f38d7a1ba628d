/** Route keys of an HTTP API, `GET /v1/plants/{id}` or `ANY /v1/{proxy+}`, and which of them takes a request. */
export interface RouteMatch<T> {
  route: T
  pathParameters: Record<string, string> | undefined
}

/**
 * The most specific route that fits, as API Gateway selects it: full matches first, then greedy ones (`{proxy+}`), then
 * `$default`; a method before ANY.
 */
export function findRoute<T extends { key: string }>(
  routes: T[],
  method: string,
  path: string,
): RouteMatch<T> | undefined {
  const matches = routes.flatMap((route): (RouteMatch<T> & { rank: number })[] => {
    if (route.key === '$default') return [{ route, pathParameters: undefined, rank: 0 }]
    const [wantedMethod, pattern] = route.key.split(' ')
    if (wantedMethod !== 'ANY' && wantedMethod !== method) return []
    const pathParameters = matchPath(pattern!, path)
    if (!pathParameters) return []
    const literal = pattern!.split('/').filter((part) => !part.startsWith('{')).length
    const rank = (pattern!.endsWith('+}') ? 1 : 1000) + literal * 2 + (wantedMethod === 'ANY' ? 0 : 1)
    return [{ route, pathParameters: emptyToUndefined(pathParameters), rank }]
  })
  const best = matches.sort((a, b) => b.rank - a.rank)[0]
  return best && { route: best.route, pathParameters: best.pathParameters }
}

function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const parts = path.split('/')
  const parameters: Record<string, string> = {}
  const wanted = pattern.split('/')
  for (const [index, part] of wanted.entries()) {
    const [, name, greedy] = /^\{([^}+]+)(\+?)\}$/.exec(part) ?? []
    if (name === undefined) {
      if (part !== parts[index]) return undefined
    } else if (greedy) {
      const rest = parts.slice(index).join('/')
      if (rest === '') return undefined
      parameters[name] = decodeURIComponent(rest)
      return parameters
    } else {
      if (!parts[index]) return undefined
      parameters[name] = decodeURIComponent(parts[index])
    }
  }
  return wanted.length === parts.length ? parameters : undefined
}

const emptyToUndefined = (parameters: Record<string, string>) =>
  Object.keys(parameters).length > 0 ? parameters : undefined
