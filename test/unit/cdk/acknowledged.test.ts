import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type * as acknowledged from '../../../cdk/acknowledged.ts'
import { acknowledgedRules } from '../../../cdk/acknowledged.ts'
import { telemetryApp } from '../../../cdk/telemetry-app.ts'

// The app without what it acknowledges: cdk-nag tells everything.
vi.mock('../../../cdk/acknowledged.ts', async (original) => ({
  ...(await original<typeof acknowledged>()),
  acknowledge: () => undefined,
}))

interface Report {
  pluginReports: { violations: { ruleName: string; violatingConstructs: { constructPath: string }[] }[] }[]
}

const outdir = mkdtempSync(join(tmpdir(), 'cdk-nag-'))
afterEach(() => rmSync(outdir, { recursive: true, force: true }))

describe.each(['dev', 'prod'])('what %s does against the rules of cdk-nag', (stage) => {
  it('is what is acknowledged, each with its reason and where it is, and nothing else', () => {
    vi.spyOn(console, 'error').mockReturnValue(undefined)
    const context = { stage, analysts: 'granix:111122223333', 'aws:cdk:bundling-stacks': [] }
    expect(() => telemetryApp({ outdir, builtinCloudFormationValidation: false, context }).synth()).toThrow(
      /validation/i,
    )
    const { pluginReports } = JSON.parse(readFileSync(join(outdir, 'validation-report.json'), 'utf8')) as Report
    const found = pluginReports
      .flatMap(({ violations }) => violations)
      .flatMap(({ ruleName, violatingConstructs }) =>
        violatingConstructs.map(({ constructPath }) => ({
          rule: ruleName.replace('AwsSolutions-', ''),
          constructPath,
        })),
      )
    const known = acknowledgedRules({
      stage,
      production: stage === 'prod',
      analysts: { granix: '111122223333' },
    })
    const covers = ({ rule, at }: { rule: string; at?: string }, violation: (typeof found)[number]) =>
      rule === violation.rule && (at === undefined || violation.constructPath.startsWith(`${at}/`))
    const isUnknown = (violation: (typeof found)[number]) => !known.some((one) => covers(one, violation))
    // What only warns is the web ACL that somebody has to make first.
    expect(found.filter(isUnknown).map(({ rule }) => rule)).toEqual(stage === 'prod' ? ['CFR2'] : [])
    expect(known.filter((one) => !found.some((violation) => covers(one, violation)))).toEqual([])
  })
})
