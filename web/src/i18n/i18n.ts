import { watch } from 'vue'
import { createI18n } from 'vue-i18n'
import en from './en.json'
import es from './es.json'
import { chooseLanguage, isLanguage, type Language } from './languages.ts'

type Messages = typeof en

declare module 'vue-i18n' {
  // An interface is what vue-i18n's types can be extended by: keys of messages are then checked in templates.
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  export interface DefineLocaleMessage extends Messages {}
}

const STORAGE_KEY = 'language'

export const i18n = createI18n<[Messages], Language, false>({
  // Says to the types what the build says to the code (__VUE_I18N_LEGACY_API__).
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  legacy: false,
  locale: chooseLanguage(localStorage.getItem(STORAGE_KEY), navigator.languages),
  messages: { en, es },
})

watch(i18n.global.locale, (language) => (document.documentElement.lang = language), { immediate: true })

/** Set by hand, and remembered on this browser. */
export function setLanguage(language: Language): void {
  localStorage.setItem(STORAGE_KEY, language)
  i18n.global.locale.value = language
}

/** The language of the person's account, for who has set none on this browser. */
export function suggestLanguage(language: Language | null): void {
  if (language && !isLanguage(localStorage.getItem(STORAGE_KEY))) i18n.global.locale.value = language
}
