/**
 * The AWS IoT rule SQL that the templates use: `SELECT <function> AS <name>, … FROM '<topic filter>'`, and of conditions
 * the one on the age of the payload's `timestamp`. Any other form is an error that shows it.
 */

/** What a rule sees of one publish. */
export interface Publish {
  topic: string
  payload: Buffer
  clientId: string
  /** Broker's clock, epoch ms. */
  receivedAt: number
  traceId: string
}

export interface RuleQuery {
  filter: string
  accepts(publish: Publish): boolean
  select(publish: Publish): Record<string, unknown>
}

type Expression = (publish: Publish) => unknown

const FUNCTIONS: [pattern: RegExp, compile: (argument: string) => Expression][] = [
  [/^encode\(\s*\*\s*,\s*'base64'\s*\)$/i, () => (publish) => publish.payload.toString('base64')],
  [/^topic\(\s*\)$/i, () => (publish) => publish.topic],
  [/^topic\(\s*(\d+)\s*\)$/i, (n) => (publish) => publish.topic.split('/')[Number(n) - 1]],
  [/^clientid\(\s*\)$/i, () => (publish) => publish.clientId],
  [/^timestamp\(\s*\)$/i, () => (publish) => publish.receivedAt],
  [/^traceid\(\s*\)$/i, () => (publish) => publish.traceId],
]

export function parseRuleSql(sql: string): RuleQuery {
  const parts = /^\s*SELECT\s+(.+?)\s+FROM\s+'([^']+)'(?:\s+WHERE\s+(.+?))?\s*;?\s*$/is.exec(sql)
  if (!parts) throw new Error(`local/ does not know this form of rule SQL: ${sql}`)
  const columns = splitColumns(parts[1]!).map((column): [string, Expression] => {
    const [, source = column, name = ''] = /^(.+?)\s+AS\s+(\w+)$/is.exec(column) ?? []
    for (const [pattern, compile] of FUNCTIONS) {
      const match = pattern.exec(source.trim())
      if (match && name) return [name, compile(match[1] ?? '')]
    }
    throw new Error(`local/ does not know "${column}" in this rule SQL: ${sql}`)
  })
  return {
    filter: parts[2]!,
    accepts: parts[3] === undefined ? () => true : parseCondition(parts[3], sql),
    select: (publish) => Object.fromEntries(columns.map(([name, expression]) => [name, expression(publish)])),
  }
}

const AGE_CONDITION =
  /^(NOT )?get_or_default\(timestamp\(\) - get\(decode\(encode\(\*, 'base64'\), 'base64'\), 'timestamp'\) > (\d+), false\)$/i

function parseCondition(text: string, sql: string): (publish: Publish) => boolean {
  const [matched, not, ageMs] = AGE_CONDITION.exec(text) ?? []
  if (matched === undefined) throw new Error(`local/ does not know "${text}" in this rule SQL: ${sql}`)
  return ({ payload, receivedAt }) => {
    const timestamp = timestampIn(payload)
    const isOlder = typeof timestamp === 'number' && receivedAt - timestamp > Number(ageMs)
    return not === undefined ? isOlder : !isOlder
  }
}

/** `decode` gives an object where the bytes are JSON, else a text, of which `get` by a name gives nothing. */
function timestampIn(payload: Buffer): unknown {
  try {
    return (JSON.parse(payload.toString()) as { timestamp?: unknown } | null)?.timestamp
  } catch {
    return undefined
  }
}

/** At commas outside of brackets. */
function splitColumns(text: string): string[] {
  const columns = ['']
  let depth = 0
  for (const character of text) {
    if (character === '(') depth++
    if (character === ')') depth--
    if (character === ',' && depth === 0) columns.push('')
    else columns.push(columns.pop()! + character)
  }
  return columns.map((column) => column.trim())
}

/** MQTT 3.1.1, section 4.7: `+` is one level, `#` the rest. */
export function topicMatches(filter: string, topic: string): boolean {
  const levels = topic.split('/')
  const wanted = filter.split('/')
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true
    if (index >= levels.length || (level !== '+' && level !== levels[index])) return false
  }
  return wanted.length === levels.length
}
