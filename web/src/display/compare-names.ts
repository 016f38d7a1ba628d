const byName = new Intl.Collator('en', { numeric: true })

/** Order of names as people count: 2 before 10. */
export function compareNames(a: string, b: string): number {
  return byName.compare(a, b)
}
