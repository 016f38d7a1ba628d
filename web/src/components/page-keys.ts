import { onMounted, onUnmounted } from 'vue'

/** Calls what belongs to a key that is pressed anywhere on the page, but not while somebody writes or a dialog is open. */
export function usePageKeys(actions: Readonly<Record<string, () => void>>): void {
  function onKey(event: KeyboardEvent): void {
    const action = actions[event.key]
    if (!action || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    const { target } = event
    if (
      target instanceof HTMLElement &&
      target.closest('input, select, textarea, [role="dialog"], [role="alertdialog"], [role="menu"]')
    )
      return
    event.preventDefault()
    action()
  }
  onMounted(() => addEventListener('keydown', onKey))
  onUnmounted(() => removeEventListener('keydown', onKey))
}
