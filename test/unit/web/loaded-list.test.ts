import { expect, it } from 'vitest'
import { ApiError } from '../../../web/src/api/api-error.ts'
import { useLoadedList } from '../../../web/src/api/loaded-list.ts'

/** A list whose answers come when the test says so. */
function asking() {
  const answers: PromiseWithResolvers<string[]>[] = []
  const list = useLoadedList(() => {
    const answer = Promise.withResolvers<string[]>()
    answers.push(answer)
    return answer.promise
  })
  return { ...list, answers }
}

it('an answer that a newer one has overtaken is dropped, and so is its error', async () => {
  const { items, error, load, answers } = asking()
  const [first, second, third] = [load(), load(), load()]
  answers[1]!.resolve(['new'])
  await second
  answers[0]!.resolve(['old'])
  await first
  expect(items.value).toEqual(['new'])
  answers[2]!.reject(new ApiError('network', 'away'))
  await third
  expect([items.value, error.value?.kind]).toEqual([['new'], 'network'])
  const [fourth, fifth] = [load(), load()]
  answers[4]!.resolve(['newest'])
  await fifth
  answers[3]!.reject(new ApiError('network', 'away'))
  await fourth
  expect([items.value, error.value]).toEqual([['newest'], null])
})
