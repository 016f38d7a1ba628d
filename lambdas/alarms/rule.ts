import type { EnabledRule } from '../data/read-alarm-rules.ts'

export type Rule = EnabledRule

const compiled = new Map<string, (text: string) => boolean>()
const MAX_COMPILED = 10_000

/** Whether a name is what the pattern says; `*` stands for any characters. */
export function matches(pattern: string, text: string): boolean {
  if (pattern === '*') return true
  if (!pattern.includes('*')) return pattern === text
  let test = compiled.get(pattern)
  if (test === undefined) {
    const expression = new RegExp(`^${pattern.split('*').map(RegExp.escape).join('.*')}$`)
    test = (candidate) => expression.test(candidate)
    if (compiled.size >= MAX_COMPILED) compiled.clear()
    compiled.set(pattern, test)
  }
  return test(text)
}

export const isOfMachine = (rule: Rule, { plantId, slug }: { plantId: string; slug: string }) =>
  (rule.plantId === null || rule.plantId === plantId) && matches(rule.machine, slug)

/** What an alarm is about, as one text: with the rule it is the key of what holds, and of the one open alarm. */
export const tagSource = (machineId: string, tag: string) => `${machineId}/${tag}`
export const machineSource = (machineId: string) => machineId
export const gatewaySource = (gatewayId: string) => `gateway:${gatewayId}`
export const plantSource = (plantId: string) => `plant:${plantId}`
