/**
 * Units of tags. Telemetry v1 carries none, so the app reads a convention: a tag whose name ends in one of these
 * suffixes is shown with the unit and without the suffix. `oil_temp_c` is "oil temp", in °C. Any other name has no unit.
 * The suffix is lower case; it must be all of a name's last words (`_mm_s` is millimetres per second, not `_s`).
 */
const UNITS_BY_SUFFIX: readonly (readonly [suffix: string, unit: string])[] = [
  ['_mm_s', 'mm/s'],
  ['_bar', 'bar'],
  ['_rpm', 'rpm'],
  ['_pct', '%'],
  ['_kw', 'kW'],
  ['_a', 'A'],
  ['_c', '°C'],
]

export interface TagLabel {
  readonly label: string
  readonly unit: string | null
}

export function tagLabel(name: string): TagLabel {
  const known = UNITS_BY_SUFFIX.find(([suffix]) => name.endsWith(suffix) && name.length > suffix.length)
  const label = known ? name.slice(0, -known[0].length) : name
  return { label: label.replaceAll('_', ' ').trim() || name, unit: known ? known[1] : null }
}

export function hasUnits(tags: readonly { readonly name: string }[]): boolean {
  return tags.some((tag) => tagLabel(tag.name).unit !== null)
}
