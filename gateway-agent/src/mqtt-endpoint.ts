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
  const parts = hostAndPort(endpoint)
  if (!parts) throw new Error(`"${endpoint}" is not a host or host:port`)
  const { host } = parts
  const named = port === 'auto' ? parts.port : port
  const ports = named === undefined ? [MUTUAL_TLS_PORT, HTTPS_PORT] : [named]
  return ports.map((each) => ({ host, port: each, ...(each === HTTPS_PORT && { alpn: ALPN }) }))
}

/** `host`, `host:port` or `[address]:port`; undefined for what is none of them. */
export function hostAndPort(endpoint: string): { host: string; port?: number } | undefined {
  const match = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(endpoint)
  if (!match) return undefined
  return { host: (match[1] ?? match[2])!, ...(match[3] && { port: Number(match[3]) }) }
}
