/**
 * CloudWatch's metric math, as far as the templates use it: numbers, ids of metrics, `+ - * /`, comparisons, `AND OR`, `IF(a, b, c)`
 * and `FILL(m, value)`. Anything else is refused by name.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
 */

/** Of one period: a value per metric id; `undefined` where there is no data. */
export type Expression = (values: Record<string, number | undefined>) => number | undefined

const TOKEN = /\s*(?:(\d+(?:\.\d+)?)|([a-z][A-Za-z0-9_]*)|([A-Z][A-Z_0-9]*)|(==|!=|<=|>=|[-+*/()<>,]))/y

/** From the loosest to the tightest. */
const LEVELS: Record<string, (a: number, b: number) => number>[] = [
  { AND: (a, b) => Number(a !== 0 && b !== 0), OR: (a, b) => Number(a !== 0 || b !== 0) },
  {
    '==': (a, b) => Number(a === b),
    '!=': (a, b) => Number(a !== b),
    '<': (a, b) => Number(a < b),
    '>': (a, b) => Number(a > b),
    '<=': (a, b) => Number(a <= b),
    '>=': (a, b) => Number(a >= b),
  },
  { '+': (a, b) => a + b, '-': (a, b) => a - b },
  { '*': (a, b) => a * b, '/': (a, b) => a / b },
]

/** Throws, naming it, at what is not known here. */
export function parseExpression(text: string): Expression {
  const tokens = tokensOf(text)
  let position = 0
  const refuse = (): never => {
    throw new Error(`local/ does not understand "${tokens[position] ?? 'the end'}" in the metric math ${text}`)
  }
  const expect = (token: string) => (tokens[position] === token ? position++ : refuse())

  function binary(level: number): Expression {
    const operators = LEVELS[level]
    if (!operators) return operand()
    let left = binary(level + 1)
    for (let operate = operators[tokens[position]!]; operate; operate = operators[tokens[position]!]) {
      position += 1
      const [a, b, apply] = [left, binary(level + 1), operate]
      // As in CloudWatch: no data on one side is no data.
      left = (values) => {
        const [one, other] = [a(values), b(values)]
        return one === undefined || other === undefined ? undefined : apply(one, other)
      }
    }
    return left
  }

  function operand(): Expression {
    const token = tokens[position]
    if (token === undefined) return refuse()
    if (token === '(') {
      position += 1
      const inner = binary(0)
      expect(')')
      return inner
    }
    if (/^\d/.test(token)) {
      position += 1
      return () => Number(token)
    }
    if (/^[a-z]/.test(token)) {
      position += 1
      return (values) => {
        if (!(token in values)) throw new Error(`No metric has the id ${token}, which the metric math ${text} names`)
        return values[token]
      }
    }
    return call(token)
  }

  function call(name: string): Expression {
    if (name !== 'IF' && name !== 'FILL') return refuse()
    position += 1
    if (tokens[position] !== '(') refuse()
    const parts: Expression[] = []
    do {
      position += 1
      parts.push(binary(0))
    } while (tokens[position] === ',')
    expect(')')
    const [a, b, c] = parts
    if (name === 'FILL' && a && b && parts.length === 2) return (values) => a(values) ?? b(values)
    if (name === 'IF' && a && b && c && parts.length === 3)
      return (values) => {
        const condition = a(values)
        return condition === undefined ? undefined : condition === 0 ? c(values) : b(values)
      }
    throw new Error(`local/ knows IF(a, b, c) and FILL(m, value) only: ${text}`)
  }

  const whole = binary(0)
  if (position < tokens.length) refuse()
  return whole
}

function tokensOf(text: string): string[] {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const at = TOKEN.lastIndex
    const match = TOKEN.exec(text)
    if (!match) throw new Error(`local/ does not understand "${text.slice(at)}" in the metric math ${text}`)
    tokens.push(match[0].trim())
  }
  return tokens
}
