import { isOfTag } from '../../schemas/alarms.ts'
import { isOfMachine, machineSource, matches, type Rule, tagSource } from './rule.ts'

/** The rules that look at one machine. */
export interface MachineRules {
  isEmpty: boolean
  /** Rules of kinds that look at this tag; found once and remembered. */
  ofTag(tag: string): Rule[]
  noData: Rule[]
  hasRates: boolean
  /** Of keys as evaluate.ts makes them, those of these rules, with what they are made of. */
  tracked(machineId: string, keys: Iterable<string>): [rule: Rule, source: string, tag: string | null][]
}

export function machineRules(rules: Rule[], machine: { plantId: string; slug: string }): MachineRules {
  const ofMachine = rules.filter((rule) => isOfMachine(rule, machine))
  const tagRules = ofMachine.filter(({ condition }) => isOfTag(condition))
  const noData = ofMachine.filter(({ condition }) => condition.kind === 'no_data')
  const byTag = new Map<string, Rule[]>()
  const byId = new Map([...tagRules, ...noData].map((rule) => [rule.ruleId, rule]))
  return {
    isEmpty: byId.size === 0,
    noData,
    hasRates: tagRules.some(({ condition }) => condition.kind === 'rate_of_change'),
    ofTag(tag) {
      let found = byTag.get(tag)
      if (found === undefined) byTag.set(tag, (found = tagRules.filter((rule) => matches(rule.tag!, tag))))
      return found
    },
    tracked(machineId, keys) {
      const found: [Rule, string, string | null][] = []
      for (const key of keys) {
        const [ruleId = '', source = ''] = key.split(' ')
        const rule = byId.get(ruleId)
        if (rule === undefined) continue
        if (source === machineSource(machineId)) found.push([rule, source, null])
        else if (source.startsWith(tagSource(machineId, '')))
          found.push([rule, source, source.slice(tagSource(machineId, '').length)])
      }
      return found
    },
  }
}
