import { baseCompile } from '@intlify/message-compiler'
import { describe, expect, it } from 'vitest'
import en from '../../../web/src/i18n/en.json' with { type: 'json' }
import es from '../../../web/src/i18n/es.json' with { type: 'json' }

function flatten(tree: object, prefix = ''): [key: string, message: string][] {
  return Object.entries(tree).flatMap(([key, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null
      ? flatten(value, `${prefix}${key}.`)
      : [[`${prefix}${key}`, String(value)] as [string, string]],
  )
}

const placeholders = (message: string) => [...new Set(message.match(/\{\w+\}/g))].toSorted()

describe('messages', () => {
  const english = new Map(flatten(en))
  const spanish = new Map(flatten(es))

  it('have the same keys in both languages', () => {
    expect([...spanish.keys()].toSorted()).toEqual([...english.keys()].toSorted())
  })

  it('have the same placeholders in both languages', () => {
    for (const [key, message] of english) {
      expect(placeholders(spanish.get(key) ?? ''), key).toEqual(placeholders(message))
    }
  })

  it('are never empty, and compile', () => {
    for (const [key, message] of [...english, ...spanish]) {
      expect(message.trim(), key).not.toBe('')
      const errors: Error[] = []
      baseCompile(message, { onError: (error) => errors.push(error) })
      expect(errors, key).toEqual([])
    }
  })

  it('have a sentence for each code that the API can give', async () => {
    const { ApiErrorCode, DeadLetterCode } = await import('../../../schemas/error-codes.ts')
    for (const code of ApiErrorCode.options) expect(english.has(`error.${code}`), code).toBe(true)
    for (const code of DeadLetterCode.options) expect(english.has(`deadLetters.codes.${code}.means`), code).toBe(true)
  })
})
