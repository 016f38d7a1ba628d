/** The web page: which file of which asset stands under which path, and how CloudFront answers. */
import { globSync, readFileSync } from 'node:fs'
import { join, matchesGlob, resolve } from 'node:path'
import * as v from 'valibot'
import type { Assembly } from './assembly.ts'

const Deployment = v.strictObject({
  ServiceToken: v.string(),
  SourceBucketNames: v.unknown(),
  SourceObjectKeys: v.array(v.pipe(v.string(), v.endsWith('.zip'))),
  SourceMarkers: v.optional(v.array(v.record(v.string(), v.string()))),
  SourceMarkersConfig: v.optional(v.unknown()),
  DestinationBucketName: v.string(),
  Exclude: v.optional(v.array(v.string()), []),
  Include: v.optional(v.array(v.string()), []),
  SystemMetadata: v.optional(v.strictObject({ 'cache-control': v.optional(v.string()) }), {}),
  // About other files in the bucket, and about the CloudFront cache, which there is none of.
  Prune: v.optional(v.boolean()),
  WaitForDistributionInvalidation: v.optional(v.boolean()),
  DistributionId: v.optional(v.string()),
  DistributionPaths: v.optional(v.array(v.string())),
  OutputObjectKeys: v.optional(v.boolean()),
})
const AssetFile = v.object({ files: v.record(v.string(), v.object({ source: v.object({ path: v.string() }) })) })
const Behaviour = v.object({
  PathPattern: v.optional(v.string()),
  TargetOriginId: v.string(),
  ResponseHeadersPolicyId: v.optional(v.string()),
  FunctionAssociations: v.optional(
    v.array(
      v.object({
        EventType: v.literal('viewer-request', 'local/ runs functions of viewer-request only'),
        FunctionARN: v.string(),
      }),
    ),
    [],
  ),
})
const Distribution = v.object({
  DistributionConfig: v.object({
    DefaultCacheBehavior: Behaviour,
    CacheBehaviors: v.optional(v.array(Behaviour), []),
    CustomErrorResponses: v.optional(v.never('local/ knows no error responses of a distribution')),
    DefaultRootObject: v.optional(v.never('local/ knows no root object of a distribution')),
    Origins: v.array(v.object({ Id: v.string(), DomainName: v.string(), CustomOriginConfig: v.optional(v.unknown()) })),
  }),
})
const EdgeFunction = v.object({ FunctionCode: v.string() })

export interface SiteFile {
  file: string
  cacheControl: string | undefined
  /** Texts in it that the deployment replaces. */
  markers: Record<string, string>
}

export interface SiteBehaviour {
  /** CloudFront's pattern with `*`; undefined for the default one. */
  pattern: string | undefined
  /** Host of the API behind it; undefined for the bucket with the page. */
  apiHost: string | undefined
  headersPolicy: Record<string, unknown> | undefined
  /** Source of the CloudFront function on the viewer's request. */
  functionCode: string | undefined
}

export interface Site {
  host: string
  /** By path without the first slash. */
  files: Map<string, SiteFile>
  behaviours: SiteBehaviour[]
}

export function readSite(assembly: Assembly): Site {
  const distributions = assembly.resources('AWS::CloudFront::Distribution')
  if (distributions.length !== 1)
    throw new Error(`local/ serves one distribution, the templates have ${distributions.length}.`)
  const { DistributionConfig: config } = v.parse(Distribution, distributions[0]!.properties)
  const policies = new Map(
    assembly
      .resources('AWS::CloudFront::ResponseHeadersPolicy')
      .map((policy) => [String(assembly.ref(policy)), policy.properties]),
  )
  const functions = new Map(
    assembly
      .resources('AWS::CloudFront::Function')
      .map((edge) => [
        String(assembly.attribute(edge, 'FunctionARN')),
        v.parse(EdgeFunction, edge.properties).FunctionCode,
      ]),
  )
  const behaviour = (one: v.InferOutput<typeof Behaviour>): SiteBehaviour => {
    const origin = config.Origins.find(({ Id }) => Id === one.TargetOriginId)
    return {
      pattern: one.PathPattern,
      apiHost: origin?.CustomOriginConfig ? origin.DomainName : undefined,
      headersPolicy: one.ResponseHeadersPolicyId === undefined ? undefined : policies.get(one.ResponseHeadersPolicyId),
      functionCode: functions.get(one.FunctionAssociations[0]?.FunctionARN ?? ''),
    }
  }
  return {
    host: String(assembly.attribute(distributions[0]!, 'DomainName')),
    files: readFiles(assembly),
    behaviours: [...config.CacheBehaviors, config.DefaultCacheBehavior].map(behaviour),
  }
}

function readFiles(assembly: Assembly): Map<string, SiteFile> {
  const files = new Map<string, SiteFile>()
  for (const { stack, properties } of assembly.resources('Custom::CDKBucketDeployment')) {
    const deployment = v.parse(Deployment, properties)
    const assets = v.parse(
      AssetFile,
      JSON.parse(readFileSync(join(assembly.folder, `${stack.id}.assets.json`), 'utf8')),
    )
    for (const [index, key] of deployment.SourceObjectKeys.entries()) {
      const folder = resolve(assembly.folder, assets.files[key.replace('.zip', '')]!.source.path)
      for (const entry of globSync('**', { cwd: folder, withFileTypes: true })) {
        const file = join(entry.parentPath, entry.name)
        const path = file.slice(folder.length + 1)
        if (!entry.isFile() || !isDeployed(path, deployment.Exclude, deployment.Include)) continue
        files.set(path, {
          file,
          cacheControl: deployment.SystemMetadata['cache-control'],
          markers: deployment.SourceMarkers?.[index] ?? {},
        })
      }
    }
  }
  return files
}

/** As `aws s3 sync --exclude … --include …`: a later match wins. Its `*` also stands for slashes. */
function isDeployed(path: string, exclude: string[], include: string[]): boolean {
  const matches = (pattern: string) => matchesGlob(path, pattern.replaceAll('*', '**')) || matchesGlob(path, pattern)
  return include.some(matches) || !exclude.some(matches)
}
