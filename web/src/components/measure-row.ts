import { measureElement, type Virtualizer } from '@tanstack/vue-virtual'

/**
 * Height of a row of a virtual list, once the browser has laid it out (the observer tells it before the next frame is painted). To ask
 * for it when the row is drawn would be a layout for each row that comes in while somebody scrolls.
 */
export function measureRow(
  row: HTMLElement,
  entry: ResizeObserverEntry | undefined,
  list: Virtualizer<Window, HTMLElement>,
): number {
  if (entry) return measureElement(row, entry, list)
  const index = list.indexFromElement(row)
  return list.itemSizeCache.get(list.options.getItemKey(index)) ?? list.options.estimateSize(index)
}
