/**
 * Migrations run while the functions of the release before still do (expand, and contract a release later): what is deployed is never
 * changed, and a new one takes nothing away that the last release uses. Before the first release there is nothing to hold to:
 * then the rules alone are tried, on examples.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileOf, lastRelease, REPOSITORY, usesOf } from '../helpers/last-release.ts'

const FOLDER = 'lambdas/data/migrations'
const files = readdirSync(join(REPOSITORY, FOLDER)).toSorted()
const textOf = (file: string) => readFileSync(join(REPOSITORY, FOLDER, file), 'utf8')

/** What takes away, and the name of what. A column that must not be null breaks inserts that do not know it. */
const CONTRACTS: [RegExp, string][] = [
  [/\bdrop\s+(?:table|view|column|function|type|index)\s+(?:if\s+exists\s+)?"?(\w+)/gi, 'drops'],
  [/\brename\s+(?:column\s+)?"?(\w+)"?\s+to\b/gi, 'renames'],
  [/\balter\s+table\s+"?(\w+)"?\s+rename\b/gi, 'renames'],
  [/\balter\s+column\s+"?(\w+)"?\s+(?:set\s+data\s+)?type\b/gi, 'changes the type of'],
  [/\balter\s+column\s+"?(\w+)"?\s+set\s+not\s+null\b/gi, 'forbids nulls in'],
  [/\badd\s+column\s+(?:if\s+not\s+exists\s+)?"?(\w+)"?(?![^,;]*\bdefault\b)[^,;]*\bnot\s+null\b/gi, 'demands'],
  [/\brevoke\s+[\w\s,]+\son\s+"?(\w+)/gi, 'revokes rights on'],
]

/** In words, with the names that sources may use. */
const takenAway = (text: string) =>
  CONTRACTS.flatMap(([pattern, does]) => [...text.matchAll(pattern)].map((found) => ({ does, name: found[1]! })))

/** `uses`: where the last release names it. */
const faultsOf = (text: string, uses: (name: string) => string[]) =>
  takenAway(text).flatMap(({ does, name }) => {
    const users = uses(name)
    return users.length === 0 ? [] : [`${does} ${name}, which the last release uses in ${users.join(', ')}`]
  })

describe('a migration after a release', () => {
  const used = (name: string) => (name === 'old_name' ? ['lambdas/data/x.ts'] : [])

  it.each([
    ['alter table machines drop column old_name', 'drops old_name'],
    ['drop table if exists old_name;', 'drops old_name'],
    ['alter table machines rename column old_name to new_name', 'renames old_name'],
    ['alter table old_name rename to other', 'renames old_name'],
    ['alter table machines alter column old_name type int8', 'changes the type of old_name'],
    [
      'alter table machines alter old_name set not null, alter column old_name set not null',
      'forbids nulls in old_name',
    ],
    ['alter table machines add column old_name text not null', 'demands old_name'],
    ['drop function old_name(uuid)', 'drops old_name'],
    ['revoke select on old_name from iot_api', 'revokes rights on old_name'],
  ])('must not say "%s" while the last release uses it', (text, fault) => {
    expect(faultsOf(text, used).join()).toContain(`${fault}, which the last release uses in lambdas/data/x.ts`)
    // The contraction, a release after the last use.
    expect(faultsOf(text.replaceAll('old_name', 'unused_name'), used)).toEqual([])
  })

  it.each([
    'create table added (id uuid primary key, name text not null)',
    `alter table machines add column old_name text not null default ''`,
    'alter table machines add column old_name text',
    'create index on machines (old_name)',
  ])('may say "%s"', (text) => {
    expect(faultsOf(text, used)).toEqual([])
  })
})

const release = lastRelease()

it('every migration is listed once, in order', () => {
  const list = readFileSync(join(REPOSITORY, 'lambdas/data/migrations.ts'), 'utf8')
  expect(files.length).toBeGreaterThan(10)
  for (const file of files) expect(list).toContain(`'${file.replace(/\.ts$/, '')}':`)
})

describe.skipIf(release === undefined)(`since the release ${release ?? '(none yet)'}`, () => {
  it('deployed migrations are as they were, and new ones come after them', () => {
    const deployed = files.filter((file) => fileOf(release!, `${FOLDER}/${file}`) !== undefined)
    for (const file of deployed) expect(textOf(file), file).toBe(fileOf(release!, `${FOLDER}/${file}`))
    expect(files.slice(0, deployed.length)).toEqual(deployed)
  })

  it('new ones take nothing away that the release uses', () => {
    const added = files.filter((file) => fileOf(release!, `${FOLDER}/${file}`) === undefined)
    for (const file of added)
      expect(
        faultsOf(textOf(file), (name) => usesOf(release!, name)),
        file,
      ).toEqual([])
  })
})
