import * as v from 'valibot'

const Override = v.object({ Override: v.boolean() })

/** A security header that is not here is refused: left out in silence it would be missed. */
const Policy = v.object({
  ResponseHeadersPolicyConfig: v.strictObject({
    Name: v.string(),
    Comment: v.optional(v.string()),
    CustomHeadersConfig: v.optional(v.object({ Items: v.array(v.object({ Header: v.string(), Value: v.string() })) })),
    SecurityHeadersConfig: v.optional(
      v.strictObject({
        ContentSecurityPolicy: v.optional(v.object({ ContentSecurityPolicy: v.string() })),
        ContentTypeOptions: v.optional(Override),
        FrameOptions: v.optional(v.object({ FrameOption: v.string() })),
        ReferrerPolicy: v.optional(v.object({ ReferrerPolicy: v.string() })),
        // Browsers ignore it over plain http.
        StrictTransportSecurity: v.optional(v.unknown()),
      }),
      {},
    ),
  }),
})

/** The headers of a CloudFront policy, with this machine's addresses in the Content-Security-Policy. */
export function responseHeaders(
  policy: Record<string, unknown> | undefined,
  { localize, connectSources }: { localize: (text: string) => string; connectSources: string[] },
): Record<string, string> {
  if (!policy) return {}
  const { CustomHeadersConfig, SecurityHeadersConfig: security } = v.parse(Policy, policy).ResponseHeadersPolicyConfig
  const csp = security.ContentSecurityPolicy?.ContentSecurityPolicy
  const headers: Record<string, string | undefined> = {
    ...Object.fromEntries((CustomHeadersConfig?.Items ?? []).map(({ Header, Value }) => [Header.toLowerCase(), Value])),
    'content-security-policy': csp && localize(csp).replace(/connect-src /, `connect-src ${connectSources.join(' ')} `),
    'x-content-type-options': security.ContentTypeOptions && 'nosniff',
    'x-frame-options': security.FrameOptions?.FrameOption,
    'referrer-policy': security.ReferrerPolicy?.ReferrerPolicy,
  }
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
