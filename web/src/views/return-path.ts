/** Where to go after signing in: the page that was asked for, if it is one of ours. */
export function safeReturnPath(next: unknown): string {
  if (typeof next !== 'string' || !next.startsWith('/')) return '/'
  // "//host" and "/\host" are other sites.
  return /^\/[/\\]/.test(next) ? '/' : next
}
