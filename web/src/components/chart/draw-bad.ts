import type uPlot from 'uplot'
import type { ChartSeries } from './chart-layout.ts'
import { faded, type ChartColors } from './chart-options.ts'

const LEAST_WIDTH = 3
const STRIPE_EVERY = 8

/** Hatches, in the colour of its line, when a tag was read and gave no good value. */
export function drawBad(u: uPlot, series: readonly ChartSeries[], colors: ChartColors): void {
  const { left, top, width, height } = u.bbox
  const { ctx } = u
  const every = STRIPE_EVERY * devicePixelRatio
  for (const { bad, color } of series) {
    const spans = bad.map(([from, to]) => {
      const x = Math.max(left, u.valToPos(from, 'x', true))
      const end = Math.max(u.valToPos(to, 'x', true), x + LEAST_WIDTH * devicePixelRatio)
      return { x, end: Math.min(left + width, end) }
    })
    ctx.save()
    ctx.beginPath()
    for (const { x, end } of spans) if (end > x) ctx.rect(x, top, end - x, height)
    ctx.clip()
    ctx.beginPath()
    for (const { x, end } of spans) {
      // Stripes begin at multiples of their distance, so that they stand still while the chart moves.
      for (let at = x - height - ((x - height) % every); at < end; at += every) {
        ctx.moveTo(at, top + height)
        ctx.lineTo(at + height, top)
      }
    }
    ctx.strokeStyle = faded(colors.series(color), 0.45)
    ctx.lineWidth = 1.5 * devicePixelRatio
    ctx.stroke()
    ctx.restore()
  }
}
