/** More tags than this are for the machine's own page: one machine must not push the others off the screen. */
export const MOST_TAGS = 12

/** About as high as a tile of so many tags is, so that a list of tiles has its length before they are drawn. */
export function tileHeightRem(tagCount: number): number {
  const rows = Math.min(MOST_TAGS, tagCount) * 1.625 + (tagCount > MOST_TAGS ? 1.5 : 0)
  return 3.4 + (tagCount > 0 ? 0.6 + rows : 0)
}
