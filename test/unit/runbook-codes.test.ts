import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DeadLetterCode } from '../../schemas/error-codes.ts'

const runbook = readFileSync(join(import.meta.dirname, '../../docs/runbook.md'), 'utf8')
/** Codes of the first column of its tables. */
const explained = [...runbook.matchAll(/^\| (`.+?`) \| .+ \| .+ \|$/gm)].flatMap(([, codes]) =>
  codes!.split(', ').map((code) => code.replaceAll('`', '')),
)

test.each(DeadLetterCode.options)('the runbook says what %s means and what to do', (code) => {
  expect(explained.filter((one) => one === code)).toEqual([code])
})
