export type Query = Readonly<Record<string, string | number | undefined>>

const LARGEST_PAGE = 500

export function queryOf(query: Query): string {
  const said = Object.entries(query).flatMap(([key, value]): [string, string][] =>
    value === undefined ? [] : [[key, String(value)]],
  )
  return `?${new URLSearchParams(said).toString()}`
}

/** Every item of a list, page after page. */
export async function allItems<T>(
  getPage: (page: (query: Query) => string) => Promise<{ items: T[]; nextCursor: string | null }>,
): Promise<T[]> {
  const items: T[] = []
  let cursor: string | undefined
  do {
    const page = await getPage((query) => queryOf({ limit: LARGEST_PAGE, cursor, ...query }))
    items.push(...page.items)
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
  return items
}
