import type { ChartColors } from './chart-options.ts'

/** The theme's colours as a canvas takes them: `light-dark()` is only resolved in the style of an element. */
export function readChartColors(element: HTMLElement): ChartColors {
  const probe = document.createElement('span')
  element.append(probe)
  const read = (token: string) => {
    probe.style.color = `var(--${token})`
    return getComputedStyle(probe).color
  }
  const series = [1, 2, 3, 4, 5, 6].map((color) => read(`series-${color}`))
  const colors = {
    text: read('text'),
    muted: read('muted'),
    line: read('line'),
    accent: read('accent'),
    panel: read('panel'),
    font: getComputedStyle(element).fontFamily,
    series: (color: number) => series[color - 1]!,
  }
  probe.remove()
  return colors
}
