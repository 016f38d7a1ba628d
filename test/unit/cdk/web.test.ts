import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { resource, resources, synthesize } from './templates.ts'

const templates = synthesize()

interface Behaviour {
  PathPattern?: string
  CachePolicyId: string
  FunctionAssociations?: unknown[]
  ViewerProtocolPolicy: string
}
interface DistributionProperties {
  DistributionConfig: {
    DefaultCacheBehavior: Behaviour
    CacheBehaviors: Behaviour[]
    CustomErrorResponses?: unknown[]
    Origins: { OriginAccessControlId?: unknown }[]
  }
}

describe('web', () => {
  it('keeps the bucket encrypted and closed to all but CloudFront', () => {
    expect(resource(templates, 'AWS::S3::Bucket', 'Site').properties).toMatchObject({
      BucketEncryption: { ServerSideEncryptionConfiguration: [{}] },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
    })
    const policy = JSON.stringify(resource(templates, 'AWS::S3::BucketPolicy', 'Site').properties)
    expect(policy).toContain('"aws:SecureTransport":"false"')
    expect(policy.match(/"Effect":"Allow"/g)).toHaveLength(1)
    expect(policy).toContain('cloudfront.amazonaws.com')
  })

  it('forwards /v1/* uncached, and never replaces its errors', () => {
    const { DistributionConfig: distribution } = resource<DistributionProperties>(
      templates,
      'AWS::CloudFront::Distribution',
    ).properties
    const cachingDisabled = '4135ea2d-6df8-44a3-9df3-4b5a84be39ad'
    expect(distribution.CacheBehaviors).toHaveLength(1)
    expect(distribution.CacheBehaviors[0]).toMatchObject({
      PathPattern: '/v1/*',
      CachePolicyId: cachingDisabled,
      ViewerProtocolPolicy: 'https-only',
    })
    expect(distribution.CacheBehaviors[0]).not.toHaveProperty('FunctionAssociations')
    expect(distribution.CustomErrorResponses).toBeUndefined()
    expect(distribution.Origins.filter((origin) => origin.OriginAccessControlId !== undefined)).toHaveLength(1)
  })

  it.each([
    ['/', '/index.html'],
    ['/plants/0190/machines', '/index.html'],
    ['/plants/v1.2/machines', '/index.html'],
    ['/assets/index-4f.js', '/assets/index-4f.js'],
    ['/config.json', '/config.json'],
    ['/favicon.ico', '/favicon.ico'],
  ])('answers %s with %s', (path, answered) => {
    const { FunctionCode } = resource<{ FunctionCode: string }>(templates, 'AWS::CloudFront::Function').properties
    const handler = runInNewContext(`${FunctionCode}; handler`) as (event: unknown) => { uri: string }
    expect(handler({ request: { uri: path } }).uri).toBe(answered)
  })

  it('lets the page run its own scripts only, and talk to Firebase and the live socket', () => {
    const headers = JSON.stringify(resource(templates, 'AWS::CloudFront::ResponseHeadersPolicy').properties)
    expect(headers).toContain("script-src 'self';")
    expect(headers).toMatch(
      /connect-src 'self' https:\/\/identitytoolkit\.googleapis\.com https:\/\/securetoken\.googleapis\.com wss:\/\//,
    )
    expect(headers).toMatch(/"Fn::ImportValue":"iot-telemetry-dev-live:\w+Socket/)
    expect(headers).toContain('"AccessControlMaxAgeSec":31536000')
    expect(headers).toContain("frame-ancestors 'none'")
  })

  it('caches hashed files for ever and pages never, hashed files first', () => {
    const deployments = resources<{ SystemMetadata: { 'cache-control': string }; Prune: boolean }>(
      templates,
      'Custom::CDKBucketDeployment',
    )
    expect(deployments.map(({ properties }) => properties.SystemMetadata['cache-control'])).toEqual([
      'public, max-age=31536000, immutable',
      'no-cache',
    ])
    expect(deployments.every(({ properties }) => !properties.Prune)).toBe(true)
  })
})
