import { baseCompile } from '@intlify/message-compiler'
import type { Plugin } from 'vite'

interface MessageTree {
  [key: string]: string | MessageTree
}

/**
 * Compiles the messages of src/i18n/*.json when the app is built. The browser then needs no compiler of messages
 * (5 KB gzip), and the content security policy no exception for one.
 */
export function precompileMessages(): Plugin {
  return {
    name: 'precompile-messages',
    enforce: 'pre',
    transform: {
      filter: { id: /\/src\/i18n\/[a-z]+\.json$/ },
      handler: (source) => ({ code: JSON.stringify(compileTree(JSON.parse(source) as MessageTree)), map: null }),
    },
  }
}

function compileTree(tree: MessageTree): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(tree).map(([key, message]) => [
      key,
      typeof message === 'string' ? compileMessage(message) : compileTree(message),
    ]),
  )
}

function compileMessage(message: string): unknown {
  const onError = (error: Error) => {
    throw new Error(`${error.message} in the message "${message}"`)
  }
  return baseCompile(message, { jit: true, location: false, optimize: true, minify: true, onError }).ast
}
