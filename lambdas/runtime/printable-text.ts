/**
 * With U+FFFD in the place of what XML 1.0 does not know, which SQS refuses in attributes and Postgres partly in text:
 * what a gateway sent may hold control characters and lone surrogates.
 */
export const printableText = (text: string): string =>
  text.toWellFormed().replaceAll(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/g, '\uFFFD')
