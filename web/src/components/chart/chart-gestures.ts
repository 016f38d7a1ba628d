import type uPlot from 'uplot'
import type { Span } from '../../history/chart-range.ts'

/**
 * Touch on a chart: one finger moves it, two fingers stretch it. The mouse is uPlot's own. The finger's way is shown at
 * once and told when the last one is lifted; up and down stays the page's. Returns whether a finger holds the chart now.
 */
export function followTouch(u: uPlot, onSpan: (span: Span) => void, signal: AbortSignal): () => boolean {
  const fingers = new Map<number, number>()
  let before: Span | undefined
  /** Of the plot when the number of fingers last changed. */
  let start: { span: Span; positions: number[] } | undefined

  const positions = () => [...fingers.values()].toSorted((a, b) => a - b)
  const shown = (): Span => ({ from: u.scales['x']!.min!, to: u.scales['x']!.max! })
  const begin = () => {
    start = fingers.size > 0 ? { span: shown(), positions: positions() } : undefined
  }

  function spanNow(): Span | undefined {
    if (!start) return undefined
    const { left, width } = u.over.getBoundingClientRect()
    const share = (x: number) => (x - left) / width
    const { from, to } = start.span
    const length = to - from
    const now = positions()
    const under = start.positions.map((x) => from + share(x) * length)
    if (now.length === 1) {
      const by = (share(start.positions[0]!) - share(now[0]!)) * length
      return { from: from + by, to: to + by }
    }
    const apart = Math.max(0.05, share(now[1]!) - share(now[0]!))
    const newLength = (under[1]! - under[0]!) / apart
    const newFrom = under[0]! - share(now[0]!) * newLength
    return { from: newFrom, to: newFrom + newLength }
  }

  const down = (event: PointerEvent) => {
    if (event.pointerType !== 'touch' || fingers.size === 2) return
    u.over.setPointerCapture(event.pointerId)
    if (fingers.size === 0) before = shown()
    fingers.set(event.pointerId, event.clientX)
    begin()
  }
  const move = (event: PointerEvent) => {
    if (!fingers.has(event.pointerId)) return
    fingers.set(event.pointerId, event.clientX)
    const span = spanNow()
    if (span) u.setScale('x', { min: span.from, max: span.to })
  }
  const up = (event: PointerEvent) => {
    if (!fingers.delete(event.pointerId)) return
    begin()
    const span = shown()
    if (fingers.size === 0 && (span.from !== before?.from || span.to !== before.to)) onSpan(span)
  }
  u.over.style.touchAction = 'pan-y'
  u.over.addEventListener('pointerdown', down, { signal })
  u.over.addEventListener('pointermove', move, { signal })
  u.over.addEventListener('pointerup', up, { signal })
  u.over.addEventListener('pointercancel', up, { signal })
  return () => fingers.size > 0
}
