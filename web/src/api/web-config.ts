import * as v from 'valibot'
import { WebConfig } from '../../../schemas/api.ts'

/** What this stage is: read at run time, so that one build serves every stage. */
export async function loadWebConfig(): Promise<WebConfig> {
  const response = await fetch('/config.json', { cache: 'no-cache' })
  if (!response.ok) throw new Error(`/config.json answered ${response.status}`)
  return v.parse(WebConfig, await response.json())
}
