/** Keyset paging: the `limit` items that follow the key `after`, in the order of the key. */
export interface PageOf {
  limit: number
  after: string | undefined
}
