import type { Kysely } from 'kysely'
import type { Database } from '../data/database.ts'
import { readAlarmRules, readRuleVersions } from '../data/read-alarm-rules.ts'
import { type MachineRules, machineRules } from './machine-rules.ts'
import type { Rule } from './rule.ts'

/** How long a change of a rule may go unseen. What is evaluated by an older version meanwhile is not written: write-alarm-changes.ts. */
const LIFETIME_MS = 5_000

interface Chapter {
  version: number
  rules: Rule[]
  /** By machine; those without rules are remembered too. */
  machines: Map<string, MachineRules>
  until: number
}

/** The enabled rules of tenants, as this consumer remembers them. */
export interface RuleBook {
  /** Looks up the versions that are not fresh, in one query, and what has changed. */
  load(tenantIds: Iterable<string>): Promise<void>
  /** Of a tenant that was loaded; undefined when no rule looks at the machine. */
  of(machine: { tenantId: string; plantId: string; machineId: string; machine: string }): MachineRules | undefined
}

export function ruleBook(db: Kysely<Database>): RuleBook {
  const chapters = new Map<string, Chapter>()
  return {
    async load(tenantIds) {
      const now = Date.now()
      const stale = [...new Set(tenantIds)].filter((id) => (chapters.get(id)?.until ?? 0) <= now)
      if (stale.length === 0) return
      const versions = await readRuleVersions(db, stale)
      const changed = stale.filter((id) => chapters.get(id)?.version !== versions.get(id))
      const rules = changed.length === 0 ? [] : await readAlarmRules(db, changed)
      const byTenant = Map.groupBy(rules, ({ tenantId }) => tenantId)
      for (const id of changed) {
        const ofTenant = byTenant.get(id) ?? []
        chapters.set(id, { version: versions.get(id) ?? 0, rules: ofTenant, machines: new Map(), until: 0 })
      }
      for (const id of stale) chapters.get(id)!.until = now + LIFETIME_MS
    },
    of({ tenantId, plantId, machineId, machine }) {
      const { rules, machines } = chapters.get(tenantId)!
      if (rules.length === 0) return undefined
      let found = machines.get(machineId)
      if (found === undefined) machines.set(machineId, (found = machineRules(rules, { plantId, slug: machine })))
      return found.isEmpty ? undefined : found
    },
  }
}
