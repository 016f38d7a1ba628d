import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'
import { guidePage } from './guide-page.ts'
import { precompileMessages } from './precompile-messages.ts'

/** The page of a running `npm start`, for `npx vite web` while working on the app; LOCAL_PAGE names another. */
const localSystem = process.env['LOCAL_PAGE'] ?? 'http://127.0.0.1:8080'

export default defineConfig({
  root: import.meta.dirname,
  plugins: [vue(), precompileMessages(), guidePage()],
  define: {
    __VUE_OPTIONS_API__: 'false',
    __VUE_PROD_DEVTOOLS__: 'false',
    __VUE_I18N_FULL_INSTALL__: 'false',
    __VUE_I18N_LEGACY_API__: 'false',
    __INTLIFY_PROD_DEVTOOLS__: 'false',
    __INTLIFY_DROP_MESSAGE_COMPILER__: 'true',
  },
  build: {
    // Fonts and images stay files: the content security policy allows no data: URLs.
    assetsInlineLimit: 0,
    // light-dark() in tokens.css; older browsers of this list do not know it.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
  },
  server: { proxy: { '/v1': localSystem, '/config.json': localSystem } },
})
