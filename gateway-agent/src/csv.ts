/** Excel writes semicolons, and decimal commas, where a comma is the decimal sign. */
export type Separator = ',' | ';'

export const separatorOf = (headLine: string): Separator => (headLine.includes(';') ? ';' : ',')

/** A cell is quoted, with its quotes doubled, or holds neither separator nor quote (RFC 4180; a cell is on one line). */
export const cellsOf = (line: string, separator: Separator = ','): string[] =>
  [...line.matchAll(CELLS[separator])].map(([, quoted, plain]) =>
    quoted === undefined ? plain!.trim() : quoted.replaceAll('""', '"'),
  )

const CELLS = {
  ',': /(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g,
  ';': /(?:^|;)(?:"((?:[^"]|"")*)"|([^;]*))/g,
}
