import { isIP } from 'node:net'

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i
/** The data endpoint (ATS) of an AWS account in a region. */
const AWS_IOT = /^[a-z0-9]+-ats\.iot\.[a-z]{2}(-[a-z]+)+-\d\.amazonaws\.com(\.cn)?$/

/** Whether it can be a host: an IP address, or a name (RFC 1123). 192.168.1.300 and 10.0.0 are neither. */
export function isHost(text: string): boolean {
  if (isIP(text)) return true
  const labels = text.split('.')
  return text.length <= 253 && labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1)!)
}

/** Whether it looks like an endpoint of AWS IoT, but with a typing mistake. */
export const isMistypedAwsEndpoint = (host: string) => /\.iot\.|amazon/.test(host) && !AWS_IOT.test(host)
