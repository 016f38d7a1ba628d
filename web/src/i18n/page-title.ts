import { watchEffect } from 'vue'
import { useI18n } from 'vue-i18n'

/** Title of the browser's tab, in the reader's language. */
export function usePageTitle(title: () => string): void {
  const { t } = useI18n()
  watchEffect(() => (document.title = `${title()} · ${t('app.name')}`))
}
