/** RFC 4180: CRLF ends each line; what holds a comma, a quote or a line break stands in quotes, a quote twice. */
export function csv(rows: (string | null)[][]): string {
  return rows.map((row) => `${row.map((value) => field(value ?? '')).join(',')}\r\n`).join('')
}

/**
 * A spreadsheet takes what begins so for a formula, and would run it: an apostrophe makes it a text.
 * https://owasp.org/www-community/attacks/CSV_Injection
 */
const FORMULA = /^[=+\-@\t\r\n]/
const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/

function field(value: string): string {
  const text = FORMULA.test(value) && !NUMBER.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
