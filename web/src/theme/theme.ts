import { ref, watch } from 'vue'

/** `system` follows the operating system, also when that changes while the page is open. */
export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

const STORAGE_KEY = 'theme'

function storedTheme(): Theme {
  const stored = localStorage.getItem(STORAGE_KEY)
  return THEMES.find((theme) => theme === stored) ?? 'system'
}

const theme = ref(storedTheme())

watch(
  theme,
  (chosen) => {
    if (chosen === 'system') {
      delete document.documentElement.dataset['theme']
      localStorage.removeItem(STORAGE_KEY)
    } else {
      document.documentElement.dataset['theme'] = chosen
      localStorage.setItem(STORAGE_KEY, chosen)
    }
  },
  // The main module imports this file first, so that the page is painted in its theme from the start.
  { immediate: true, flush: 'sync' },
)

export function useTheme() {
  return theme
}
