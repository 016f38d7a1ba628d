import { Marked } from 'marked'
import type { Plugin } from 'vite'

/**
 * Makes the HTML of a guide in docs/ when the app is built. Its pictures become assets like all others, with a hash in their
 * names, and are asked for only when they come into view.
 */
export function guidePage(): Plugin {
  return { name: 'guide-page', transform: { filter: { id: /\.md$/ }, handler: compileGuide } }
}

function compileGuide(markdown: string): { code: string; map: null } {
  const pictures: string[] = []
  const marked = new Marked({
    renderer: {
      image({ href, text }) {
        pictures.push(href)
        return `<img src="%${pictures.length - 1}%" alt="${text}" width="1440" height="900" loading="lazy">`
      },
    },
  })
  const html = marked.parse(markdown, { async: false })
  const imports = pictures.map((href, index) => `import picture${index} from './${href}'\n`).join('')
  const names = pictures.map((_, index) => `picture${index}`).join(', ')
  const code = `${imports}export default ${JSON.stringify(html)}.replace(/%(\\d+)%/g, (_, n) => [${names}][n])`
  return { code, map: null }
}
