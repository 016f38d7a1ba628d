/// <reference types="vite/client" />

/** HTML, made by guide-page.ts. */
declare module '*.md' {
  const html: string
  export default html
}

// For the linter; vue-tsc reads the components themselves.
declare module '*.vue' {
  import type { DefineComponent } from 'vue'
  const component: DefineComponent
  export default component
}
