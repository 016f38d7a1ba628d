import { messageOf } from './failure.ts'
import type { MqttAddress } from './mqtt-endpoint.ts'
import { ProxyFault } from './proxy-tunnel.ts'

const FOREIGN_CA = 'its certificate is not from the CA of the enrolment: does something intercept TLS here?'

/** What the person in front of the cabinet should look at, by the code of Node, of OpenSSL or of the CONNACK. */
const ADVICE: Record<string, string> = {
  ENOTFOUND: 'the name is unknown: check DNS and the endpoint',
  EAI_AGAIN: 'DNS does not answer: check the network and its DNS server',
  ECONNREFUSED: 'nothing listens there: check the port and firewalls',
  EHOSTUNREACH: 'no route: check the network',
  ENETUNREACH: 'no route: check the network',
  ETIMEDOUT: 'no answer: check the network and firewalls',
  ECONNRESET: 'the other end closed it: is the certificate active, and its policy attached?',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: FOREIGN_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: FOREIGN_CA,
  SELF_SIGNED_CERT_IN_CHAIN: FOREIGN_CA,
  DEPTH_ZERO_SELF_SIGNED_CERT: FOREIGN_CA,
  CERT_SIGNATURE_FAILURE: FOREIGN_CA,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name: check the endpoint',
  // CONNACK return codes of MQTT 3.1.1 (3.2.2.3).
  '2': 'it refuses this clientId',
  '5': 'not authorised: is the certificate active, and its policy attached?',
}

/** The broker's certificate is good, but not at the time that this computer believes in. */
const CLOCK_CODES = ['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED']

/** TLS alerts by which the broker refuses this gateway's certificate (RFC 8446, section 6.2), as OpenSSL words them. */
const REFUSALS: [RegExp, string][] = [
  [/alert certificate revoked/i, 'this gateway was revoked; if that was a mistake, enrol it again with a new token'],
  [/alert certificate expired/i, "this gateway's certificate has expired; enrol it again with a new token"],
  [
    /alert (bad certificate|certificate unknown|unknown ca|access denied)/i,
    "it refuses this gateway's certificate; is it active, and of this installation?",
  ],
]

/** Why there is no connection, in words; `error` is absent when the other end closed it without one. */
export function explain(error: unknown, { host, port }: MqttAddress, wasConnected: boolean, now = Date.now()): string {
  if (error instanceof ProxyFault) return error.message
  if (error === undefined && !wasConnected) {
    return `${host}:${port}: closed the connection without a word; was this gateway revoked, or its policy taken away?`
  }
  const what = error === undefined ? 'the connection was closed' : messageOf(error)
  const advice = adviceFor(String((error as { code?: string | number } | undefined)?.code), what, now)
  return `${host}:${port}: ${what}${advice ? `; ${advice}` : ''}`
}

function adviceFor(code: string, message: string, now: number): string | undefined {
  if (CLOCK_CODES.includes(code)) {
    return `this computer's clock says ${new Date(now).toISOString()}: set it, for instance by NTP`
  }
  return ADVICE[code] ?? REFUSALS.find(([pattern]) => pattern.test(message))?.[1]
}
