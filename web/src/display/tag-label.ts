/** A tag's name as people read it: `oil_temperature` is "oil temperature". */
export function tagLabel(name: string): string {
  return name.replaceAll('_', ' ').trim() || name
}
