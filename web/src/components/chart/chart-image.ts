export interface ChartImage {
  readonly canvases: readonly HTMLCanvasElement[]
  readonly title: string
  readonly lines: readonly { readonly text: string; readonly color: string }[]
  readonly background: string
  readonly text: string
  readonly font: string
}

/** The charts under one another with what they show, as a PNG. */
export async function chartPng({ canvases, title, lines, background, text, font }: ChartImage): Promise<Blob> {
  const ratio = devicePixelRatio
  const row = 22 * ratio
  const edge = 16 * ratio
  const head = edge + row * (1 + lines.length)
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(...canvases.map(({ width }) => width)) + 2 * edge
  canvas.height = head + canvases.reduce((sum, { height }) => sum + height, 0) + edge
  const context = canvas.getContext('2d')!
  context.fillStyle = background
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.textBaseline = 'middle'
  context.font = `600 ${14 * ratio}px ${font}`
  context.fillStyle = text
  context.fillText(title, edge, edge + row / 2)
  context.font = `${13 * ratio}px ${font}`
  for (const [index, line] of lines.entries()) {
    const y = edge + row * (index + 1.5)
    context.fillStyle = line.color
    context.fillRect(edge, y - 2 * ratio, 12 * ratio, 4 * ratio)
    context.fillStyle = text
    context.fillText(line.text, edge + 20 * ratio, y)
  }
  let y = head
  for (const each of canvases) {
    context.drawImage(each, edge, y)
    y += each.height
  }
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the browser made no image'))), 'image/png'),
  )
}
