import type { AlarmRule, CreateAlarmRule, TryAlarmRule } from '../../../../schemas/alarm-requests.ts'
import { isOfTag, type AlarmCondition, type AlarmKind, type Severity } from '../../../../schemas/alarms.ts'

export const KINDS = [
  'above',
  'below',
  'outside',
  'rate_of_change',
  'equals',
  'quality_bad',
  'no_data',
  'gateway_offline',
] as const satisfies AlarmKind[]

/** What the fields of the form hold: of all kinds at once, so that changing the kind and back loses nothing. */
export interface RuleForm {
  name: string
  plantId: string | null
  machine: string
  tag: string
  kind: AlarmKind
  limit: number
  low: number
  high: number
  hysteresis: number
  direction: 'rise' | 'fall' | 'either'
  value: string
  forMinutes: number
  delayOnSec: number
  delayOffSec: number
  severity: Severity
  message: string
  enabled: boolean
}

export function formOf(rule: AlarmRule | undefined, plantId: string | null): RuleForm {
  const empty: RuleForm = {
    ...{ name: '', plantId, machine: '*', tag: '', kind: 'above', limit: 0, low: 0, high: 100, hysteresis: 0 },
    ...{ direction: 'either', value: '', forMinutes: 5, delayOnSec: 0, delayOffSec: 0 },
    ...{ severity: 'medium', message: '', enabled: true },
  }
  if (!rule) return empty
  const { condition } = rule
  return {
    ...empty,
    ...{ name: rule.name, plantId: rule.plantId, machine: rule.machine, tag: rule.tag ?? '', kind: condition.kind },
    ...{ delayOnSec: rule.delayOnMs / 1000, delayOffSec: rule.delayOffMs / 1000 },
    ...{ severity: rule.severity, message: rule.message ?? '', enabled: rule.enabled },
    ...('limit' in condition && { limit: condition.limit }),
    ...('limitPerMinute' in condition && { limit: condition.limitPerMinute }),
    ...('low' in condition && { low: condition.low, high: condition.high }),
    ...('hysteresis' in condition && { hysteresis: condition.hysteresis }),
    ...('direction' in condition && { direction: condition.direction }),
    ...('value' in condition && { value: String(condition.value) }),
    ...('forMs' in condition && { forMinutes: condition.forMs / 60_000 }),
  }
}

export function ruleOf(form: RuleForm): CreateAlarmRule {
  const condition = conditionOf(form)
  const message = form.message.trim()
  return {
    name: form.name.trim(),
    plantId: form.plantId,
    machine: condition.kind === 'gateway_offline' ? '*' : form.machine.trim() || '*',
    tag: isOfTag(condition) ? form.tag.trim() || null : null,
    condition,
    delayOnMs: Math.round(form.delayOnSec * 1000),
    delayOffMs: Math.round(form.delayOffSec * 1000),
    severity: form.severity,
    message: message === '' ? null : message,
    enabled: form.enabled,
  }
}

/** The part of a rule that says when it is an alarm. */
export const trialOf = ({
  plantId,
  machine,
  tag,
  condition,
  delayOnMs,
  delayOffMs,
}: CreateAlarmRule): TryAlarmRule => ({
  ...{ plantId, machine, tag, condition, delayOnMs, delayOffMs },
})

function conditionOf(form: RuleForm): AlarmCondition {
  const { kind, limit, low, high, hysteresis } = form
  if (kind === 'above' || kind === 'below') return { kind, limit, hysteresis }
  if (kind === 'outside') return { kind, low, high, hysteresis }
  if (kind === 'rate_of_change') return { kind, limitPerMinute: limit, direction: form.direction }
  if (kind === 'equals') return { kind, value: scalarOf(form.value.trim()) }
  if (kind === 'no_data') return { kind, forMs: Math.round(form.forMinutes * 60_000) }
  return { kind }
}

/** What is written as a number or as true and false is one; everything else is a text. */
function scalarOf(text: string): number | boolean | string {
  if (text === 'true' || text === 'false') return text === 'true'
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text
}
