import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { Slug, ThingName } from '../../schemas/slugs.ts'
import { MAX_TOPIC_BYTES, parseStatusTopic, parseTelemetryTopic } from '../../schemas/topics.ts'
import { Failure, messageOf } from './failure.ts'

/** Place of the machine's slug in the telemetry topic. */
const MACHINE = '{machine}'

/** What enrolment told this gateway about itself; kept beside its key and certificate. */
export const IdentityFile = v.object({
  thingName: ThingName,
  endpoint: v.pipe(v.string(), v.regex(/^(\[[0-9a-fA-F:]+\]|[^:/\s]+)(:\d{1,5})?$/, 'must be a host, or host:port')),
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
})
export type IdentityFile = v.InferOutput<typeof IdentityFile>

export interface Identity extends IdentityFile {
  certificatePem: string
  caPem: string
  privateKey: KeyObject
}

/** Files of an identity, all in `dataDir/identity`. */
export function identityFiles(dataDir: string, folder: 'identity' | 'identity.new' | 'identity.old' = 'identity') {
  const directory = join(dataDir, folder)
  return {
    directory,
    identity: join(directory, 'identity.json'),
    certificate: join(directory, 'certificate.pem'),
    ca: join(directory, 'ca.pem'),
    privateKey: join(directory, 'private-key.pem'),
  }
}

export const isEnrolled = (dataDir: string) => existsSync(identityFiles(dataDir).identity)

/** Throws a Failure that says what to do when this gateway has no identity, or a damaged one. */
export function readIdentity(dataDir: string): Identity {
  const files = identityFiles(dataDir)
  if (!isEnrolled(dataDir)) {
    throw new Failure(
      `${files.directory}: this gateway is not enrolled yet; run: gateway-agent enroll --config FILE --url URL --token TOKEN`,
      2,
    )
  }
  const identity = v.safeParse(
    IdentityFile,
    readPart(files.identity, (text) => JSON.parse(text) as unknown),
  )
  if (!identity.success) {
    const [issue] = identity.issues
    throw new Failure(`${files.identity}: ${v.getDotPath(issue) ?? 'file'}: ${issue.message}; enrol again`, 2)
  }
  const certificatePem = readPart(files.certificate, (text) => text)
  const privateKey = readPart(files.privateKey, createPrivateKey)
  const certificate = readPart(files.certificate, (text) => new X509Certificate(text))
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new Failure(`${files.certificate}: does not belong to ${files.privateKey}; enrol again`, 2)
  }
  return { ...identity.output, certificatePem, privateKey, caPem: readPart(files.ca, (text) => text) }
}

/** Throws a Failure for a machine whose topic AWS IoT would refuse. */
export function telemetryTopicOf(identity: IdentityFile, machine: string): string {
  const topic = identity.topics.telemetry.replace(MACHINE, machine)
  if (Buffer.byteLength(topic) > MAX_TOPIC_BYTES) {
    throw new Failure(
      `machine ${machine}: its topic ${topic} is ${Buffer.byteLength(topic)} bytes long, at most ${MAX_TOPIC_BYTES} are allowed; shorten its slug`,
      2,
    )
  }
  return topic
}

function readPart<T>(file: string, read: (text: string) => T): T {
  try {
    return read(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new Failure(`${file}: cannot be read (${messageOf(error)}); give it to the agent's user, or enrol again`, 2)
  }
}
