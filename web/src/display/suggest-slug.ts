/** A slug that a name suggests: "Planta Córdoba 2" gives "planta-cordoba-2". Empty where the name has no Latin letter or digit. */
export function suggestSlug(name: string): string {
  return name
    .normalize('NFD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63)
    .replace(/-+$/, '')
}
