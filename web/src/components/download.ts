/** Gives the reader a file. */
export function download(content: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(content)
  link.download = name
  link.click()
  // The browser has taken it by then; an address that is never given back keeps the whole image.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}
