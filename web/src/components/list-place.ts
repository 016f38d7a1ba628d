import { onMounted, onUnmounted, ref, type Ref } from 'vue'

/** Where a list stands in the page and how wide it is, in px, and what a rem is: what a virtual list of the window asks for. */
export function useListPlace(list: Readonly<Ref<HTMLElement | null>>) {
  const remPx = ref(16)
  const widthPx = ref(0)
  const topPx = ref(0)

  function lookAround(): void {
    const element = list.value
    if (!element) return
    remPx.value = Number.parseFloat(getComputedStyle(document.documentElement).fontSize)
    widthPx.value = element.clientWidth
    topPx.value = element.getBoundingClientRect().top + scrollY
  }

  // The body changes its height with whatever stands above the list.
  const sizes = new ResizeObserver(lookAround)
  onMounted(() => {
    lookAround()
    sizes.observe(list.value!)
    sizes.observe(document.body)
  })
  onUnmounted(() => sizes.disconnect())

  return { remPx, widthPx, topPx }
}
