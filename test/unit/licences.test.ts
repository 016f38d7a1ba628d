import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { expect, it } from 'vitest'

/** They let the product be sold as it is: notices are enough. MPL and OFL are about changed copies of their own files and fonts. */
const ALLOWED = [
  ...['MIT', 'MIT-0', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'Unlicense'],
  ...['MPL-2.0', 'OFL-1.1'],
]

/** Package, version, and where it names its licence: its package.json does not. Read by a person; another version wants it anew. */
const READ_BY_HAND: Record<string, string> = {
  'precond@0.2.3': 'MIT', // README.md
  'limiter@1.1.5': 'MIT', // LICENSE.txt
  'dequeue@1.0.5': 'BSD-2-Clause', // LICENSE
  'humanize@0.0.9': 'MIT', // LICENSE
}

const Lock = v.object({
  packages: v.record(v.string(), v.object({ version: v.string(), license: v.optional(v.string()) })),
})
const { packages } = v.parse(
  Lock,
  JSON.parse(readFileSync(join(import.meta.dirname, '../../package-lock.json'), 'utf8')),
)
const installed = Object.entries(packages)
  .filter(([path]) => path !== '')
  .map(([path, { version, license }]) => {
    const name = `${path.replace(/^.*node_modules\//, '')}@${version}`
    return { name, licence: license ?? READ_BY_HAND[name] }
  })

/** `(MIT OR GPL-3.0-or-later)` leaves the choice, `A AND B` does not (SPDX licence expressions). */
const isAllowed = (licence: string) =>
  licence
    .replaceAll(/[()]/g, '')
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((part) => ALLOWED.includes(part)))

it('every package that is installed has a licence that lets the product be sold', () => {
  expect(installed.length).toBeGreaterThan(500)
  expect(installed.filter(({ licence }) => licence === undefined || !isAllowed(licence))).toEqual([])
})

it('refuses what does not', () => {
  expect(['GPL-3.0-only', 'AGPL-3.0-only', 'MIT AND GPL-2.0-only', 'UNLICENSED'].filter(isAllowed)).toEqual([])
  expect(['(MIT OR GPL-3.0-or-later)', '(BSD-2-Clause AND MIT)'].filter(isAllowed)).toHaveLength(2)
})
