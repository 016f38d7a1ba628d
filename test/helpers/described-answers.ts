/** Holds answers of the API to its OpenAPI document: method, path, status, content type and body. */
import addFormats from 'ajv-formats'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as v from 'valibot'

const Content = v.optional(v.record(v.string(), v.unknown()))
const Document = v.looseObject({
  paths: v.record(
    v.string(),
    v.record(v.string(), v.looseObject({ responses: v.record(v.string(), v.looseObject({ content: Content })) })),
  ),
})

export interface Answered {
  method: string
  /** Without query. */
  path: string
  status: number
  contentType: string | undefined
  /** Parsed, where it is JSON. */
  body: unknown
}

/** Gives a function that throws an error which says in what an answer differs from the document. */
export function describedBy(document: unknown): (answer: Answered) => void {
  const { paths } = v.parse(Document, document)
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema(document as object, 'api')

  return ({ method, path, status, contentType, body }) => {
    const told = `${method} ${path} answered ${status} ${contentType}`
    const template = templateOf(Object.keys(paths), path)
    const operation = template === undefined ? undefined : paths[template]![method.toLowerCase()]
    if (operation === undefined) {
      // What is no operation is refused, by the API or by API Gateway.
      if (status === 401 || status === 403 || status === 404 || status === 405) return
      throw new Error(`${told}, and the document has no such operation`)
    }
    const name = String(status) in operation.responses ? String(status) : 'default'
    const { content } = operation.responses[name]!
    if (content === undefined) {
      if (contentType === undefined && body === undefined) return
      throw new Error(`${told}, and the document says that it has no body`)
    }
    const type = contentType?.split(';')[0]
    if (type === undefined || !(type in content)) {
      throw new Error(`${told}, and the document knows only ${Object.keys(content).join(', ')}`)
    }
    if (!/json/.test(type)) return
    const pointer = ['paths', template!, method.toLowerCase(), 'responses', name, 'content', type, 'schema']
    const valid = ajv.getSchema(`api#/${pointer.map(escape).join('/')}`)
    if (valid === undefined) throw new Error(`the document has no schema for ${told}`)
    if (valid(body) !== true) {
      throw new Error(
        `${told}, not as the document says: ${ajv.errorsText(valid.errors)}\n${JSON.stringify(body).slice(0, 2000)}`,
      )
    }
  }
}

/** The same for what has come over the network, held to the document that the running API serves. */
export async function describedByApi(apiUrl: string): Promise<(answer: Received) => void> {
  const expectDescribed = describedBy(await (await fetch(`${apiUrl}/v1/openapi.json`)).json())
  return ({ url, ...answer }) => expectDescribed({ ...answer, path: new URL(url).pathname })
}

export type Received = Omit<Answered, 'path'> & { url: string }

const escape = (part: string) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))

/** The template with the fewest parameters that fits. */
function templateOf(templates: string[], path: string): string | undefined {
  const given = path.split('/')
  return templates
    .filter((template) => {
      const wanted = template.split('/')
      return wanted.length === given.length && wanted.every((part, n) => part.startsWith('{') || part === given[n])
    })
    .sort((a, b) => a.split('{').length - b.split('{').length)[0]
}
