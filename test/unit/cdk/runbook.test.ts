import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { resources, synthesize } from './templates.ts'

const runbook = readFileSync(join(import.meta.dirname, '../../../docs/runbook.md'), 'utf8')

it('every alarm is a heading of the runbook, and every heading an alarm', () => {
  const alarms = resources<{ AlarmName: string }>(synthesize({ stage: 'prod' }), 'AWS::CloudWatch::Alarm')
  const names = alarms.map(({ properties }) => properties.AlarmName.replace(/ \[prod\]$/, ''))
  const headings = [...runbook.matchAll(/^## (.+)$/gm)].map((match) => match[1])
  expect(names.toSorted()).toEqual(headings.toSorted())
})
