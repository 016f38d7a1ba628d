import type { Page } from 'playwright-core'

/**
 * Clock time at which the tile of the machine `probe` with this value of `count` has been drawn: watched inside the page,
 * so that the watching costs nothing.
 */
export function shownAt(page: Page, value: number): Promise<number> {
  // As text: this program is not checked against the types of a browser.
  return page.evaluate<number>(`new Promise((resolve) => {
    const element = document.querySelector('[data-machine="probe"] [data-tag="count"]')
    const shows = new RegExp('(^|[^0-9])${value}([^0-9]|$)')
    const look = () => {
      if (!shows.test(element.textContent)) return
      observer.disconnect()
      requestAnimationFrame(() => setTimeout(() => resolve(Date.now())))
    }
    const observer = new MutationObserver(look)
    observer.observe(element, { subtree: true, childList: true, characterData: true })
    look()
  })`)
}
