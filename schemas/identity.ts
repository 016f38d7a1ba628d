/**
 * What a gateway signs to be recognised by the API: its certificate's key, and no user. Whoever repeats such a request learns
 * nothing and changes nothing, as each may be done again.
 */
export function signedText(
  verb: 'check' | 'renew' | 'confirm',
  { thingName, certificateId, csr = '' }: { thingName: string; certificateId: string; csr?: string },
): string {
  return [verb, thingName, certificateId, csr].join('\n')
}
