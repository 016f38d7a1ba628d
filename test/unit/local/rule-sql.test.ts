import { describe, expect, it } from 'vitest'
import { parseRuleSql, topicMatches } from '../../../local/iot/rule-sql.ts'

const publish = {
  topic: 'factory/t/p/l/m/telemetry',
  payload: Buffer.from([0xff, 0x00, 0x7b]),
  clientId: 'gw-1',
  receivedAt: 1736359200000,
  traceId: 'trace',
}

describe('rule SQL', () => {
  it('makes the envelope of any bytes', () => {
    const sql =
      "SELECT encode(*, 'base64') AS payload, topic() AS topic, clientid() AS clientId, timestamp() AS receivedAt, traceid() AS traceId FROM 'factory/+/+/+/+/telemetry'"
    const query = parseRuleSql(sql)
    expect(query.filter).toBe('factory/+/+/+/+/telemetry')
    expect(query.select(publish)).toEqual({
      payload: '/wB7',
      topic: publish.topic,
      clientId: 'gw-1',
      receivedAt: 1736359200000,
      traceId: 'trace',
    })
  })
  it('knows segments of the topic', () => {
    expect(parseRuleSql("select topic(2) as tenant from 'factory/#'").select(publish)).toEqual({ tenant: 't' })
  })
  it('sends by the age of the reading: each one somewhere, what is none to the live ones', () => {
    const rule = (condition: string) => parseRuleSql(`SELECT topic() AS t FROM 'a' WHERE ${condition}`)
    const older = (ageMs: number) =>
      `get_or_default(timestamp() - get(decode(encode(*, 'base64'), 'base64'), 'timestamp') > ${ageMs}, false)`
    const [live, late] = [rule(`NOT ${older(61_000)}`), rule(older(60_000))]
    const takenBy = (payload: string | Buffer) => {
      const message = { ...publish, payload: Buffer.from(payload) }
      return [live.accepts(message) && 'live', late.accepts(message) && 'late'].filter(Boolean)
    }
    const aged = (ageMs: number) => JSON.stringify({ timestamp: publish.receivedAt - ageMs })
    expect(takenBy(aged(60_000))).toEqual(['live'])
    expect(takenBy(aged(60_500))).toEqual(['live', 'late'])
    expect(takenBy(aged(61_001))).toEqual(['late'])
    for (const poison of [publish.payload, '', 'null', '[1]', '{"timestamp":"1"}', '{}', aged(-1e9)])
      expect(takenBy(poison)).toEqual(['live'])
  })
  it.each([
    "SELECT * FROM 'a'",
    "SELECT topic() AS t FROM 'a' WHERE temperature > 5",
    "SELECT topic() FROM 'a'",
    "SELECT encode(*, 'hex') AS payload FROM 'a'",
    "SELECT temperature AS t FROM 'a'",
    'SELECT topic() AS t',
  ])('refuses another form, showing it: %s', (sql) => {
    expect(() => parseRuleSql(sql)).toThrow(sql)
  })
})

describe('topic filters', () => {
  it.each([
    ['factory/+/+/+/+/telemetry', 'factory/t/p/l/m/telemetry', true],
    ['factory/+/+/+/+/telemetry', 'factory/t/p/l/m/x/telemetry', false],
    ['factory/+/+/+/+/telemetry', 'factory/t/p/l/telemetry', false],
    ['a/#', 'a/b/c', true],
    ['a/#', 'b/a', false],
    ['a/b', 'a/b/c', false],
  ])('%s and %s: %s', (filter, topic, expected) => {
    expect(topicMatches(filter, topic)).toBe(expected)
  })
})
