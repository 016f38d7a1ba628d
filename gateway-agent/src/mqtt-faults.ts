import { messageOf } from './failure.ts'
import type { MqttAddress } from './mqtt-endpoint.ts'

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
  CERT_NOT_YET_VALID: "its certificate is not valid yet: check this computer's clock",
  CERT_HAS_EXPIRED: "its certificate has expired: check this computer's clock",
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

/** Why there is no connection, in words; `error` is absent when the other end closed it without a word. */
export function explain(error: unknown, { host, port }: MqttAddress): string {
  const code = (error as { code?: string | number } | undefined)?.code
  const advice = code === undefined ? undefined : ADVICE[String(code)]
  const what = error === undefined ? 'the connection was closed' : messageOf(error)
  return `${host}:${port}: ${what}${advice ? `; ${advice}` : ''}`
}
