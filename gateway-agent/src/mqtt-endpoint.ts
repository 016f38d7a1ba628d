/** Protocol name that AWS IoT asks for on port 443, where HTTPS lives too. */
const ALPN = 'x-amzn-mqtt-ca'
const MUTUAL_TLS_PORT = 8883
const HTTPS_PORT = 443

export interface MqttAddress {
  host: string
  port: number
  alpn?: string
}

/**
 * Where to connect, in the order to try: the port that the configuration names, else the one that enrolment named, else
 * 8883 and then 443, which firewalls of plants let through more often.
 */
export function addressesOf(endpoint: string, port: number | 'auto'): MqttAddress[] {
  const match = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(endpoint)
  if (!match) throw new Error(`"${endpoint}" is not a host or host:port`)
  const host = (match[1] ?? match[2])!
  const named = port !== 'auto' ? port : match[3] ? Number(match[3]) : undefined
  const ports = named === undefined ? [MUTUAL_TLS_PORT, HTTPS_PORT] : [named]
  return ports.map((each) => ({ host, port: each, ...(each === HTTPS_PORT && { alpn: ALPN }) }))
}
