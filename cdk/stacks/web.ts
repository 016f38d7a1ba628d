import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { AssetHashType, CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib'
import {
  AllowedMethods,
  CachePolicy,
  Distribution,
  Function as EdgeFunction,
  FunctionCode,
  FunctionEventType,
  HttpVersion,
  OriginRequestPolicy,
  ViewerProtocolPolicy,
} from 'aws-cdk-lib/aws-cloudfront'
import { HttpOrigin, S3BucketOrigin } from 'aws-cdk-lib/aws-cloudfront-origins'
import { Bucket } from 'aws-cdk-lib/aws-s3'
import { BucketDeployment, CacheControl, type ISource, Source } from 'aws-cdk-lib/aws-s3-deployment'
import type { Construct } from 'constructs'
import type { WebConfig } from '../../schemas/api.ts'
import { locally, REPOSITORY } from '../constructs/bundle.ts'
import type { Surroundings } from '../constructs/lambda.ts'
import { SAFE_BUCKET } from '../constructs/safe-bucket.ts'
import { SiteDeployment } from '../constructs/site-deployment.ts'
import { siteHeaders } from '../constructs/site-headers.ts'
import type { ApiStack } from './api.ts'
import type { LiveStack } from './live.ts'

/** The page from a private bucket, and the API behind the same origin, so that there is no CORS. */
export class WebStack extends Stack {
  constructor(
    scope: Construct,
    id: string,
    props: StackProps,
    surroundings: Surroundings,
    { socketHost }: LiveStack,
    { apiHost }: ApiStack,
  ) {
    super(scope, id, props)
    const { settings } = surroundings
    const bucket = new Bucket(this, 'Site', SAFE_BUCKET)
    const responseHeadersPolicy = siteHeaders(this, 'Headers', `wss://${socketHost}`)
    const pagePaths = new EdgeFunction(this, 'PagePaths', {
      functionName: `iot-telemetry-${settings.stage}-page-paths-${this.region}`,
      comment: 'Answers every page of the app with index.html',
      code: FunctionCode.fromInline(PAGE_PATHS),
    })
    const distribution = new Distribution(this, 'Distribution', {
      comment: `iot-telemetry ${settings.stage}`,
      httpVersion: HttpVersion.HTTP2_AND_3,
      ...(settings.webAclArn && { webAclId: settings.webAclArn }),
      defaultBehavior: {
        origin: S3BucketOrigin.withOriginAccessControl(bucket),
        viewerProtocolPolicy: ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
        cachePolicy: CachePolicy.CACHING_OPTIMIZED,
        responseHeadersPolicy,
        functionAssociations: [{ eventType: FunctionEventType.VIEWER_REQUEST, function: pagePaths }],
      },
      additionalBehaviors: {
        '/v1/*': {
          origin: new HttpOrigin(apiHost),
          viewerProtocolPolicy: ViewerProtocolPolicy.HTTPS_ONLY,
          allowedMethods: AllowedMethods.ALLOW_ALL,
          cachePolicy: CachePolicy.CACHING_DISABLED,
          originRequestPolicy: OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
          responseHeadersPolicy,
        },
      },
    })

    const config: WebConfig = { stage: settings.stage, apiUrl: '', firebase: settings.firebase }
    const { role, logGroup } = new SiteDeployment(this, 'Deployment', surroundings, bucket, distribution)
    const site = builtSite()
    const common = { destinationBucket: bucket, role, logGroup, prune: false }
    // Names with a hash never change their content. Old ones stay: an open page may still ask for them.
    const assets = new BucketDeployment(this, 'Assets', {
      ...common,
      sources: [site],
      exclude: ['*'],
      include: ['assets/*'],
      cacheControl: [CacheControl.setPublic(), CacheControl.maxAge(Duration.days(365)), CacheControl.immutable()],
    })
    const pages = new BucketDeployment(this, 'Pages', {
      ...common,
      sources: [site, Source.jsonData('config.json', config)],
      exclude: ['assets/*'],
      cacheControl: [CacheControl.noCache()],
      distribution,
      distributionPaths: ['/*'],
    })
    pages.node.addDependency(assets)

    new CfnOutput(this, 'WebUrl', { value: `https://${distribution.distributionDomainName}` })
  }
}

/**
 * CloudFront Function: a path whose last part has no dot is a page of the app, and the app is index.html. A missing file
 * stays an error, and answers of the API are never replaced, as they would be by error responses of the distribution.
 */
const PAGE_PATHS = `function handler(event) {
  var request = event.request
  if (!/\\.[^/]*$/.test(request.uri)) request.uri = '/index.html'
  return request
}`

/** The web app, built by vite in a process of its own: the library's bundling is synchronous and vite's API is not. */
function builtSite(): ISource {
  return Source.asset(join(REPOSITORY, 'web'), {
    assetHashType: AssetHashType.OUTPUT,
    bundling: locally('web', (outputDir) => {
      const vite = join(REPOSITORY, 'node_modules/vite/bin/vite.js')
      execFileSync(
        process.execPath,
        [vite, 'build', 'web', '--outDir', outputDir, '--emptyOutDir', '--logLevel', 'warn'],
        { cwd: REPOSITORY, stdio: ['ignore', 'inherit', 'inherit'] },
      )
    }),
  })
}
