export const LANGUAGES = [
  { code: 'es', name: 'Español' },
  { code: 'en', name: 'English' },
] as const
export type Language = (typeof LANGUAGES)[number]['code']

export function isLanguage(code: string | null): code is Language {
  return LANGUAGES.some((language) => language.code === code)
}

/** What was set by hand, else the first language of the browser that we speak, else Spanish. */
export function chooseLanguage(stored: string | null, browserLanguages: readonly string[]): Language {
  if (isLanguage(stored)) return stored
  return browserLanguages.map((tag) => tag.slice(0, 2).toLowerCase()).find(isLanguage) ?? 'es'
}

/**
 * Locale of numbers and dates. Spanish is Argentina's (decimal comma) whatever the browser says; English keeps the
 * reader's own country, because dates differ. A browser may name a language that Intl refuses (`en-US@posix`).
 */
export function formatLocale(language: Language, browserLanguages: readonly string[]): string {
  if (language === 'es') return 'es-AR'
  return browserLanguages.find((tag) => /^en-[a-z0-9-]+$/i.test(tag)) ?? 'en-US'
}
