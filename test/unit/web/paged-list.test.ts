import { expect, it } from 'vitest'
import { ApiError } from '../../../web/src/api/api-error.ts'
import { usePagedList } from '../../../web/src/api/paged-list.ts'

/** A list whose pages come when the test says so. */
function asking() {
  const asked: {
    cursor: string | undefined
    answer: PromiseWithResolvers<{ items: string[]; nextCursor: string | null }>
  }[] = []
  const list = usePagedList(({ cursor }) => {
    const answer = Promise.withResolvers<{ items: string[]; nextCursor: string | null }>()
    asked.push({ cursor, answer })
    return answer.promise
  })
  const give = (index: number, items: string[], nextCursor: string | null = null) =>
    asked[index]!.answer.resolve({ items, nextCursor })
  const fail = (index: number) => asked[index]!.answer.reject(new ApiError('network', 'away'))
  return { list, asked, give, fail }
}

it('a page that was asked for under another question is dropped, in whatever order the answers come', async () => {
  const { list, asked, give, fail } = asking()
  const [first, second] = [list.begin(), list.begin()]
  give(1, ['b1'], 'c')
  await second
  give(0, ['a1'], 'c')
  await first
  expect(list.items.value).toEqual(['b1'])
  const [more, third] = [list.more(), list.begin()]
  expect(list.cursor.value).toBeNull()
  give(3, ['c1'])
  await third
  fail(2)
  await more
  expect([list.items.value, list.error.value, list.cursor.value, list.loading.value]).toEqual([
    ['c1'],
    null,
    null,
    false,
  ])
  expect(asked).toHaveLength(4)
})

it('the next page is asked for once, however often, and again when it failed', async () => {
  const { list, asked, give, fail } = asking()
  const first = list.begin()
  give(0, ['1'], 'c')
  await first
  const more = [list.more(), list.more()]
  fail(1)
  await Promise.all(more)
  expect([list.items.value, list.error.value?.kind]).toEqual([['1'], 'network'])
  const again = list.retry()
  give(2, ['2'])
  await again
  expect([list.items.value, list.error.value]).toEqual([['1', '2'], null])
  expect(asked.map(({ cursor }) => cursor)).toEqual([undefined, 'c', 'c'])
})

it('of a question that has no answer nothing of another is shown', async () => {
  const { list, give, fail } = asking()
  const first = list.begin()
  give(0, ['a'], 'c')
  await first
  const same = list.refresh()
  fail(1)
  await same
  expect(list.items.value).toEqual(['a'])
  const other = list.begin()
  expect(list.items.value).toEqual(['a'])
  fail(2)
  await other
  expect(list.items.value).toBeNull()
})
