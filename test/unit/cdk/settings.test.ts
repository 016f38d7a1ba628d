import { describe, expect, it } from 'vitest'
import { settingsFrom } from '../../../cdk/settings.ts'

const settings = (context: Record<string, unknown>) => settingsFrom((key) => context[key])

describe('settings', () => {
  it('are those of dev and profile live when nothing is said', () => {
    expect(settings({})).toMatchObject({
      stage: 'dev',
      natGateways: 1,
      hotRetentionDays: 30,
      ingest: { batchSize: 10 },
    })
    expect(settings({}).ingest).not.toHaveProperty('windowSec')
  })

  it('take the profile bulk and the Firebase project of the command line', () => {
    const { ingest, firebase } = settings({ ingestProfile: 'bulk', firebaseProjectId: 'acme', firebaseApiKey: 'key' })
    expect(ingest).toEqual({ batchSize: 1000, windowSec: 1 })
    expect(firebase).toEqual({ projectId: 'acme', apiKey: 'key', authDomain: 'acme.firebaseapp.com' })
  })

  it('name the companies with analysts, with their accounts', () => {
    expect(settings({}).analysts).toEqual({})
    expect(settings({ analysts: 'granix:111122223333,norpan:444455556666' }).analysts).toEqual({
      granix: '111122223333',
      norpan: '444455556666',
    })
  })

  it.each([
    [{ stage: 'production' }, /stage=production is not one of dev, prod/],
    [{ stage: 'toString' }, /stage=toString is not one of dev, prod/],
    [{ ingestProfile: 'fast' }, /ingestProfile=fast is not one of live, bulk/],
    [{ analysts: 'granix' }, /analysts=granix must be TENANT:ACCOUNT,…/],
    [
      { webAclArn: 'arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/a/b' },
      /webAclArn=.* is not the ARN of a web ACL for CloudFront/,
    ],
    [{ pageUrl: 'https://page.example/alarms' }, /pageUrl=.* must be an origin/],
    [{ firebaseProjectId: '' }, /firebaseProjectId must be a text/],
  ])('refuse %o and say what is allowed', (context, message) => {
    expect(() => settings(context)).toThrow(message)
  })
})
