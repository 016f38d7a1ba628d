/** Arbitrary JSON for a schema of the OpenAPI document: what it asks for, and in any place of it what nobody expects. */
import fc from 'fast-check'

type Schema = Record<string, unknown>

const nested = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`)

export const HOSTILE_TEXTS = [
  ...[
    '',
    ' ',
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\udfff\ud800',
    'a\ud83d',
    '\u202e\u2066',
    '\ufeff',
    '💣'.repeat(64),
    'Ω'.repeat(600),
  ],
  ...['x'.repeat(70_000), '9'.repeat(400), '-0', '1e999', '0x10', 'NaN', '2024-02-30', 'null', 'true', '[]', '{}'],
  ...[
    "' or '1'='1",
    "'; drop table users; --",
    '" union select * from users --',
    '$1',
    '${7*7}',
    '%s%n',
    '\\',
    '\\x00',
    "e'\\\\'",
  ],
  ...['../../etc/passwd', '..%2f..%2f', '....//', '%00', '%', '%ff', '%2e%2e', '/', '//', 'C:\\', 'file:///etc/passwd'],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '<script>alert(1)</script>',
    '\r\nset-cookie: a=b',
    '+',
    '#',
    '*',
    '$aws/things',
  ],
]
export const hostileText = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...HOSTILE_TEXTS) },
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string(),
)

const HOSTILE_VALUES: unknown[] = [
  ...[null, true, false, 0, -1, 1.5, -0, 1e308, -1e308, 5e-324, 2 ** 31, 2 ** 53, 2 ** 63, 1e21],
  ...[
    [],
    [[]],
    [null],
    {},
    { a: {} },
    nested(2_000),
    Array.from({ length: 5_000 }, (_, n) => n),
    { $ne: null },
    { length: -1 },
  ],
  JSON.parse('{"__proto__":{"role":"admin"},"constructor":{"prototype":{}}}'),
]
export const hostileValue = fc.oneof(
  { weight: 3, arbitrary: hostileText },
  { weight: 2, arbitrary: fc.constantFrom(...HOSTILE_VALUES) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
)

/**
 * @param ids of things that are there, for places that ask for one.
 * @param hostility how many of ten values are hostile.
 */
export function valuesFor(
  document: { components: { schemas: Record<string, Schema> } },
  ids: string[],
  names: string[],
  hostility: number,
) {
  const name = fc.oneof(fc.constantFrom(...names), fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,20}$/))

  function expected(schema: Schema): fc.Arbitrary<unknown> {
    if (typeof schema['$ref'] === 'string') {
      return expected(document.components.schemas[schema['$ref'].split('/').at(-1)!]!)
    }
    const options = (schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf']) as Schema[] | undefined
    if (options !== undefined) return fc.oneof(...options.map(value))
    if ('const' in schema) return fc.constant(schema['const'])
    if (Array.isArray(schema['enum'])) return fc.constantFrom(...(schema['enum'] as unknown[]))
    switch (schema['type']) {
      case 'object':
        return fc.record(
          Object.fromEntries(
            Object.entries((schema['properties'] ?? {}) as Record<string, Schema>).map(([key, one]) => [
              key,
              value(one),
            ]),
          ),
          { requiredKeys: (schema['required'] ?? []) as string[] },
        )
      case 'array':
        return fc.array(value((schema['items'] ?? {}) as Schema), { maxLength: 4 })
      case 'boolean':
        return fc.boolean()
      case 'null':
        return fc.constant(null)
      case 'number':
      case 'integer':
        return fc.oneof(fc.nat(), fc.double())
      case 'string':
        if (schema['format'] === 'uuid') return fc.oneof(fc.constantFrom(...ids), fc.uuid())
        if (typeof schema['pattern'] === 'string')
          return fc.oneof(fc.stringMatching(new RegExp(schema['pattern'])), name)
        return fc.oneof(name, fc.constantFrom('Europe/Madrid', 'ana@example.com', '0', '1700000000000'), fc.string())
      default:
        return fc.jsonValue({ maxDepth: 2 })
    }
  }
  const value = (schema: Schema): fc.Arbitrary<unknown> =>
    fc.oneof({ weight: 10 - hostility, arbitrary: expected(schema) }, { weight: hostility, arbitrary: hostileValue })
  return value
}

/** Names of the fields that the schema knows, in whichever of its forms. */
export function fieldsOf(document: { components: { schemas: Record<string, Schema> } }, schema: Schema): string[] {
  const named = typeof schema['$ref'] === 'string' && document.components.schemas[schema['$ref'].split('/').at(-1)!]
  if (named) return fieldsOf(document, named)
  const forms = (schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf'] ?? []) as Schema[]
  return [
    ...new Set([...Object.keys(schema['properties'] ?? {}), ...forms.flatMap((form) => fieldsOf(document, form))]),
  ]
}
