/**
 * The AWS IoT rule SQL that the templates use: `SELECT <function> AS <name>, … FROM '<topic filter>'`.
 * Any other form is an error that shows it.
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
  const parts = /^\s*SELECT\s+(.+?)\s+FROM\s+'([^']+)'\s*;?\s*$/is.exec(sql)
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
    select: (publish) => Object.fromEntries(columns.map(([name, expression]) => [name, expression(publish)])),
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
