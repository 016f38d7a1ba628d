import * as v from 'valibot'

/** Why a message was refused for good. One list for dead letters, metrics, logs and the web app. */
export const IngestErrorCode = v.picklist([
  'invalid_envelope',
  'invalid_json',
  'unsupported_schema_version',
  'invalid_payload',
  'invalid_topic',
  'client_topic_mismatch',
  'unknown_tenant',
  'unknown_plant',
  'unknown_gateway',
  'timestamp_in_future',
  'timestamp_too_old',
  'seq_conflict',
  'machine_quota_exceeded',
  'machine_retired',
])
export type IngestErrorCode = v.InferOutput<typeof IngestErrorCode>

/** Why a message is a dead letter: it was refused, SQS gave it up, or an IoT rule could not put it on its queue. */
export const DeadLetterCode = v.picklist([...IngestErrorCode.options, 'given_up', 'delivery_failed'])
export type DeadLetterCode = v.InferOutput<typeof DeadLetterCode>

/** `code` of a problem+json answer of the HTTP API. */
export const ApiErrorCode = v.picklist([
  'invalid_input',
  'unauthenticated',
  'forbidden',
  'not_found',
  'method_not_allowed',
  'conflict',
  'precondition_failed',
  'idempotency_key_reused',
  'request_in_progress',
  'rate_limited',
  'payload_too_large',
  'invalid_enrolment_token',
  'invalid_identity',
  'invalid_csr',
  'unavailable',
  'internal',
])
export type ApiErrorCode = v.InferOutput<typeof ApiErrorCode>

/** `code` of an `error` message on the live socket. */
export const LiveErrorCode = v.picklist([
  'invalid_message',
  'not_found',
  'not_connected',
  'too_many_messages',
  'internal',
])
export type LiveErrorCode = v.InferOutput<typeof LiveErrorCode>
