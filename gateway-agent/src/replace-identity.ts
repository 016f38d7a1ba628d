import { X509Certificate, type KeyObject } from 'node:crypto'
import { existsSync, renameSync, rmSync } from 'node:fs'
import * as v from 'valibot'
import { Failure, messageOf } from './failure.ts'
import {
  type GatewayPlace,
  type Identity,
  IdentityFile,
  identityFiles,
  type IdentityFiles,
  readIdentityIn,
} from './identity.ts'
import { syncFolder, writeWhole } from './write-whole.ts'

/** What the cloud answers to a signing request. */
export type Certified = Omit<IdentityFile, 'apiUrl'> & { certificatePem: string; caPem: string }

/**
 * Keeps the certificate for the key in `identity.new`. The file that makes it an identity is written last, so a process
 * that is killed meanwhile leaves a key and a signing request, by which the cloud gives the same certificate again.
 */
export function keepNewIdentity(dataDir: string, apiUrl: string, privateKey: KeyObject, answer: Certified): Identity {
  const files = identityFiles(dataDir, 'identity.new')
  const { certificatePem, caPem } = answer
  if (!belongsTo(certificatePem, privateKey)) {
    throw new Failure(`${apiUrl}: answered with a certificate for another key; report this to the platform team`, 1)
  }
  const identity = v.safeParse(IdentityFile, { ...answer, apiUrl })
  if (!identity.success) {
    const [issue] = identity.issues
    throw new Failure(`the cloud's answer cannot be used: ${v.getDotPath(issue) ?? 'identity'} ${issue.message}`, 1)
  }
  try {
    rmSync(files.identity, { force: true })
    writeWhole(files.certificate, certificatePem)
    writeWhole(files.ca, caPem)
    writeWhole(files.identity, contentOf(identity.output))
  } catch (error) {
    throw new Failure(
      `${files.directory}: the cloud has given a certificate that cannot be kept: ${messageOf(error)}; make dataDir writable, then try again`,
      1,
    )
  }
  return { ...identity.output, certificatePem, caPem, privateKey }
}

function belongsTo(certificatePem: string, privateKey: KeyObject): boolean {
  try {
    return new X509Certificate(certificatePem).checkPrivateKey(privateKey)
  } catch {
    return false
  }
}

/** The identity that is to replace the one in force; undefined when there is none. Throws a Failure when it is damaged. */
export function readNewIdentity(dataDir: string): Identity | undefined {
  const files = identityFiles(dataDir, 'identity.new')
  return existsSync(files.identity) ? readIdentityIn(files, dataDir) : undefined
}

/** Forgets the new identity with its key; the one in force stays. */
export function discardNewIdentity(dataDir: string): void {
  rmSync(identityFiles(dataDir, 'identity.new').directory, { recursive: true, force: true })
}

/** Puts the new identity in force, and removes the one before. */
export function putNewIdentityInForce(dataDir: string): void {
  const current = identityFiles(dataDir)
  if (existsSync(current.directory)) {
    rmSync(identityFiles(dataDir, 'identity.old').directory, { recursive: true, force: true })
    renameSync(current.directory, identityFiles(dataDir, 'identity.old').directory)
  }
  finishReplacement(dataDir)
}

/** Ends what `putNewIdentityInForce` had begun when the process was killed: a folder cannot take another's place in one step. */
export function finishReplacement(dataDir: string): void {
  const current = identityFiles(dataDir)
  const made = identityFiles(dataDir, 'identity.new')
  if (!existsSync(current.directory)) {
    if (!existsSync(made.identity)) return
    renameSync(made.directory, current.directory)
    syncFolder(dataDir)
  }
  rmSync(identityFiles(dataDir, 'identity.old').directory, { recursive: true, force: true })
}

/** Keeps, beside the identity in `files`, the place that the gateway was moved to. */
export function keepPlace(files: IdentityFiles, identity: Identity, place: GatewayPlace): Identity {
  const moved = { ...identity, ...place }
  writeWhole(files.identity, contentOf(v.parse(IdentityFile, moved)))
  return moved
}

const contentOf = (identity: IdentityFile) => `${JSON.stringify(identity, undefined, 2)}\n`
