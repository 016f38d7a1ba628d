import { ref } from 'vue'
import { expect, it } from 'vitest'
import { useSteadyOrder } from '../../../web/src/components/steady-order.ts'

it('nothing moves while the pointer is in the list, wherever the focus goes', () => {
  const items = ref([1, 2])
  const { keys, hold, release } = useSteadyOrder(items, String, (a, b) => a - b)
  const list = { hasFocus: true, matches: () => list.hasFocus }
  const event = (type: string) => ({ type, currentTarget: list })
  const order = (next: number[]) => {
    items.value = next
    return keys.value.join('')
  }
  expect(order([2, 1])).toBe('12')
  hold(event('pointerenter'))
  hold(event('focusin'))
  release(event('focusout'))
  expect(order([0, 1, 2])).toBe('120')
  hold(event('focusin'))
  release(event('pointerleave'))
  expect(order([-1, 0, 1, 2])).toBe('120-1')
  // The one that had the focus has gone.
  list.hasFocus = false
  hold(event('pointerenter'))
  release(event('pointerleave'))
  expect(order([-1, 0, 1, 2])).toBe('-1012')
})
