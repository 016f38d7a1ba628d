import * as v from 'valibot'
import { QueueEnvelope } from '../../schemas/queues.ts'
import { Refusal } from './refusals.ts'

/** Reads what the IoT rule has put on the queue. Refuses with `invalid_envelope`. */
export function openEnvelope(body: string): QueueEnvelope {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    throw new Refusal('invalid_envelope', 'The body of the queue message is not JSON')
  }
  const envelope = v.safeParse(QueueEnvelope, json)
  if (!envelope.success) throw new Refusal('invalid_envelope', issuesOf(envelope.issues))
  return envelope.output
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Payload of an envelope as its schema gives it. Refuses what is not base64, and bytes, versions and contents that are not of version 1. */
export function readPayload<Schema extends v.GenericSchema>(
  schema: Schema,
  payloadBase64: string,
): v.InferOutput<Schema> {
  const bytes = decodeBase64(payloadBase64)
  let json: unknown
  try {
    json = JSON.parse(utf8.decode(bytes))
  } catch (error) {
    throw new Refusal('invalid_json', `The payload is not JSON in UTF-8: ${(error as Error).message}`)
  }
  const payload = v.safeParse(schema, json)
  if (payload.success) return payload.output
  const version = v.safeParse(Versioned, json)
  if (version.success && version.output.schemaVersion !== 1) {
    const found = JSON.stringify(version.output.schemaVersion)
    throw new Refusal('unsupported_schema_version', `schemaVersion is ${found}; this system knows 1`)
  }
  throw new Refusal('invalid_payload', issuesOf(payload.issues))
}

const Versioned = v.object({ schemaVersion: v.unknown() })

/** Node skips what is not base64 and stops at the first "=": then fewer bytes come out than the text has room for. */
function decodeBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  if (text.length % 4 !== 0 || bytes.length !== (text.length / 4) * 3 - padding) {
    throw new Refusal('invalid_envelope', 'payload: is not base64')
  }
  return bytes
}

const SHOWN_ISSUES = 5

/** The first issues in one line, each with the path of the field. */
function issuesOf(issues: readonly v.BaseIssue<unknown>[]): string {
  const lines = issues.slice(0, SHOWN_ISSUES).map((issue) => `${v.getDotPath(issue) ?? 'payload'}: ${issue.message}`)
  const more = issues.length - lines.length
  return lines.join('; ') + (more > 0 ? `; and ${more} more` : '')
}
