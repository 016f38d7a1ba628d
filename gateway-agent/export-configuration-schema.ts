/** Second half of `npm run schemas`: JSON Schema of the configuration file, by which editors complete and check it. */
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { type JsonSchema, toJsonSchema } from '@valibot/to-json-schema'
import { ConfigurationFile } from './src/configuration-schema.ts'

const folder = process.argv[2] ?? join(import.meta.dirname, '../schemas/json')
const file = join(folder, 'gateway-configuration.schema.json')
// Draft 7: what the YAML language servers of editors know. What a person writes, so defaults may be left out.
const document = toJsonSchema(ConfigurationFile, { target: 'draft-07', errorMode: 'ignore', typeMode: 'input' })
// What the valibot source says in code: tags come from the file itself, from a tag list, or from both.
const { items: machine } = document.properties!.machines as { items: JsonSchema }
machine.required = machine.required!.filter((key) => key !== 'tags')
machine.anyOf = [{ required: ['tags'] }, { required: ['tagsFile'] }]
writeFileSync(file, `${JSON.stringify({ title: 'gateway-agent configuration', ...document }, null, 2)}\n`)
console.log(file)
