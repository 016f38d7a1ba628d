import { Duration } from 'aws-cdk-lib'
import {
  HeadersFrameOption,
  HeadersReferrerPolicy,
  ResponseHeadersPolicy,
  type ResponseSecurityHeadersBehavior,
} from 'aws-cdk-lib/aws-cloudfront'
import type { Construct } from 'constructs'

/** What the page may do: run its own scripts, and talk to its own origin, to Firebase Auth and to the live socket. */
function contentSecurityPolicy(realtimeOrigin: string): string {
  return [
    "default-src 'self'",
    "script-src 'self'",
    // Static style attributes and the positions of floating panels are inline styles.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src 'self' https://identitytoolkit.googleapis.com https://securetoken.googleapis.com ${realtimeOrigin}`,
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ')
}

/** Security headers of every response, the API's included. `realtimeOrigin`: `wss://host`. */
export function siteHeaders(scope: Construct, id: string, realtimeOrigin: string): ResponseHeadersPolicy {
  const securityHeadersBehavior: ResponseSecurityHeadersBehavior = {
    contentSecurityPolicy: { contentSecurityPolicy: contentSecurityPolicy(realtimeOrigin), override: true },
    strictTransportSecurity: { accessControlMaxAge: Duration.days(365), includeSubdomains: true, override: true },
    contentTypeOptions: { override: true },
    frameOptions: { frameOption: HeadersFrameOption.DENY, override: true },
    referrerPolicy: { referrerPolicy: HeadersReferrerPolicy.NO_REFERRER, override: true },
  }
  return new ResponseHeadersPolicy(scope, id, {
    comment: 'Security headers of the telemetry page and its API',
    securityHeadersBehavior,
    customHeadersBehavior: {
      customHeaders: [
        { header: 'permissions-policy', value: 'camera=(), geolocation=(), microphone=()', override: true },
      ],
    },
  })
}
