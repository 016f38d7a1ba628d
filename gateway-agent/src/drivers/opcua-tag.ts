import { SourceError, type TagSource } from './driver.ts'

export const SECURITY_MODES = ['None', 'Sign', 'SignAndEncrypt'] as const

/** A NodeId in the notation of OPC 10000-6, 5.3.1.10 and 5.3.1.11: ns=2;s=Pump1.Temperature, nsu=http://example.com/UA;i=1001, i=2258. */
const NODE_ID =
  /^(?:ns=\d{1,5};|nsu=[^;]+;)?(?:i=\d{1,10}|s=.+|g=[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|b=[A-Za-z0-9+/]+={0,2})$/i

/** The server knows the type of a node: a tag has an address only. Throws SourceError. */
export function checkOpcUaTag(source: TagSource): void {
  if (!NODE_ID.test(source.address)) {
    throw new SourceError(
      'address',
      `"${source.address}" is no NodeId; allowed: nsu=URI;s=Name, ns=2;s=Name, ns=3;i=1001, and g= and b= likewise; gateway-agent browse shows them`,
    )
  }
  for (const key of ['type', 'order', 'length'] as const) {
    if (source[key] !== undefined) throw new SourceError(key, 'is told by the OPC UA server itself; remove it')
  }
}
