import pg from 'pg'

/** SQLSTATE of an error of Postgres; undefined for a broken socket and for our own errors. */
const codeOf = (error: unknown) => (error instanceof pg.DatabaseError ? error.code : undefined)

/**
 * The same batch can succeed a moment later: connection (08), lock and serialization failures, resources (53),
 * statement cancelled, server shutting down (57P0x), and every error without SQLSTATE: refused and reset sockets,
 * and pg's "Client has encountered a connection error and is not queryable".
 */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error)
  return code === undefined || /^(08|53|57P0)/.test(code) || ['40001', '40P01', '55P03', '57014'].includes(code)
}

/** Class 22, data exception: one message of the batch holds what Postgres cannot store. */
export const isDataError = (error: unknown): boolean => codeOf(error)?.startsWith('22') ?? false

/** check_violation: for telemetry_events, no partition for the day. Ours to repair, never the message's fault. */
export const isMissingPartition = (error: unknown): boolean => codeOf(error) === '23514'
