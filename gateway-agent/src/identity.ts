import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { CertificateId } from '../../schemas/api.ts'
import { Slug, ThingName } from '../../schemas/slugs.ts'
import { MAX_TOPIC_BYTES, parseStatusTopic, parseTelemetryTopic } from '../../schemas/topics.ts'
import { Failure, messageOf } from './failure.ts'
import { isHost, isMistypedAwsEndpoint } from './host-name.ts'
import { hostAndPort } from './mqtt-endpoint.ts'

/** Place of the machine's slug in the telemetry topic. */
const MACHINE = '{machine}'

/** Where the gateway stands, and how it is reached from there. */
const Place = {
  endpoint: v.pipe(
    v.string(),
    v.check((endpoint) => {
      const { host, port } = hostAndPort(endpoint) ?? {}
      return host !== undefined && isHost(host) && (port === undefined || (port > 0 && port < 65_536))
    }, 'must be a host, or host:port'),
    v.check(
      (endpoint) => !isMistypedAwsEndpoint(hostAndPort(endpoint)?.host ?? ''),
      'is mistyped: an endpoint of AWS IoT is ID-ats.iot.REGION.amazonaws.com',
    ),
  ),
  topics: v.object({
    telemetry: v.pipe(
      v.string(),
      v.check(
        (topic) => topic.includes(MACHINE) && parseTelemetryTopic(topic.replace(MACHINE, 'machine')) !== undefined,
        'must be a telemetry topic with {machine} in it',
      ),
    ),
    status: v.pipe(
      v.string(),
      v.check((topic) => parseStatusTopic(topic) !== undefined, 'must be a status topic'),
    ),
  }),
  tenant: Slug,
  province: Slug,
  plant: Slug,
}
export const GatewayPlace = v.object(Place)
export type GatewayPlace = v.InferOutput<typeof GatewayPlace>

/** What the cloud told this gateway about itself; kept beside its key and certificate. */
export const IdentityFile = v.object({
  /** Of the API that has enrolled it: there it asks for its next certificate. */
  apiUrl: v.pipe(v.string(), v.url()),
  thingName: ThingName,
  certificateId: CertificateId,
  ...Place,
})
export type IdentityFile = v.InferOutput<typeof IdentityFile>

export interface Identity extends IdentityFile {
  certificatePem: string
  caPem: string
  privateKey: KeyObject
}

/** Files of the identity in force, or of the one that is being made to replace it. */
export function identityFiles(dataDir: string, folder: 'identity' | 'identity.new' | 'identity.old' = 'identity') {
  const directory = join(dataDir, folder)
  return {
    directory,
    identity: join(directory, 'identity.json'),
    certificate: join(directory, 'certificate.pem'),
    ca: join(directory, 'ca.pem'),
    privateKey: join(directory, 'private-key.pem'),
    request: join(directory, 'signing-request.pem'),
  }
}
export type IdentityFiles = ReturnType<typeof identityFiles>

export const isEnrolled = (dataDir: string) => existsSync(identityFiles(dataDir).identity)

/** Throws a Failure with a line for each fault, and what to do, when this gateway has no identity or a damaged one. */
export function readIdentity(dataDir: string): Identity {
  const files = identityFiles(dataDir)
  if (!isEnrolled(dataDir)) {
    throw new Failure(
      `${files.directory}: this gateway is not enrolled yet; run: gateway-agent enroll --config FILE --url URL --token TOKEN`,
      2,
    )
  }
  return readIdentityIn(files, dataDir)
}

/** As `readIdentity`, of any folder. */
export function readIdentityIn(files: IdentityFiles, dataDir: string): Identity {
  const faults: string[] = []
  const part = <T>(file: string, read: (text: string) => T): T | undefined => {
    try {
      return read(readFileSync(file, 'utf8'))
    } catch (error) {
      faults.push(`${file}: cannot be read (${messageOf(error)}); give it to the agent's user, or enrol again`)
      return undefined
    }
  }
  const content = part(files.identity, (text) => JSON.parse(text) as unknown)
  const identity = v.safeParse(IdentityFile, content)
  if (content !== undefined && !identity.success) {
    for (const issue of identity.issues) {
      faults.push(`${files.identity}: ${v.getDotPath(issue) ?? 'file'}: ${issue.message}; enrol again`)
    }
  }
  const caPem = part(files.ca, (text) => text)
  const certificatePem = part(files.certificate, (text) => text)
  const certificate = certificatePem && part(files.certificate, (text) => new X509Certificate(text))
  const privateKey = part(files.privateKey, createPrivateKey)
  if (privateKey) faults.push(...faultsOfOwner(files.privateKey, dataDir))
  if (privateKey && certificate && !certificate.checkPrivateKey(privateKey)) {
    faults.push(`${files.certificate}: does not belong to ${files.privateKey}; enrol again`)
  }
  if (faults.length > 0 || !identity.success || !certificatePem || !privateKey || !caPem) {
    throw new Failure(faults.join('\n'), 2)
  }
  return { ...identity.output, certificatePem, privateKey, caPem }
}

/** A key that somebody else owns or can read is not this gateway's own. Root looks after the agent's user: dataDir's owner. */
function faultsOfOwner(file: string, dataDir: string): string[] {
  const { uid, mode } = statSync(file)
  const wanted = process.getuid?.() || statSync(dataDir).uid
  const faults: string[] = []
  if (uid !== wanted) faults.push(`${file}: belongs to user id ${uid}, and the agent is user id ${wanted}; chown it`)
  if (mode & 0o077) faults.push(`${file}: others can read it (mode ${(mode & 0o777).toString(8)}); chmod 600 it`)
  return faults
}

/** Throws a Failure for a machine whose topic AWS IoT would refuse. */
export function telemetryTopicOf({ topics }: Pick<GatewayPlace, 'topics'>, machine: string): string {
  const topic = topics.telemetry.replace(MACHINE, machine)
  if (Buffer.byteLength(topic) > MAX_TOPIC_BYTES) {
    throw new Failure(
      `machine ${machine}: its topic ${topic} is ${Buffer.byteLength(topic)} bytes long, at most ${MAX_TOPIC_BYTES} are allowed; shorten its slug`,
      2,
    )
  }
  return topic
}
