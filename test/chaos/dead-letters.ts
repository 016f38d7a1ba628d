import type { System } from './system.ts'

/** Codes under which each body lies in the dead letter queue: one per copy. */
export function deadLettersByBody({ deadLetters }: System): Map<string, string[]> {
  const { ready, inflight } = deadLetters.inspectMessages()
  const byBody = new Map<string, string[]>()
  for (const { body, messageAttributes } of [...ready, ...inflight.map(({ message }) => message)]) {
    const code = messageAttributes['errorCode']?.StringValue ?? '(none)'
    byBody.set(body, [...(byBody.get(body) ?? []), code])
  }
  return byBody
}
