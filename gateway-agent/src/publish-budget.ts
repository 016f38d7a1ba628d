import { MAX_TAGS_PER_MESSAGE } from '../../schemas/telemetry.ts'
import type { Configuration, Machine } from './configuration.ts'

const MOST_NAMED = 10

/** Telemetry messages per second when each of these machines reports in every cycle. */
export function messagesPerSecond(machines: readonly Machine[]): number {
  return machines.reduce((sum, machine) => sum + rateOf(machine), 0)
}

/**
 * What to say when the machines make more messages than may be sent; undefined when the budget is kept. Names the machines
 * above an equal share: the largest rate that all can have, with what the slower ones leave over.
 */
export function budgetWarning({ file, machines, mqtt }: Configuration): string | undefined {
  const budget = mqtt.publishesPerSecond
  const total = messagesPerSecond(machines)
  if (total <= budget) return undefined
  const rates = machines.map((machine) => ({ slug: machine.slug, rate: rateOf(machine) }))
  const share = fairShare(
    rates.map(({ rate }) => rate),
    budget,
  )
  const greedy = rates.filter(({ rate }) => rate > share).toSorted((a, b) => b.rate - a.rate)
  const named = greedy.slice(0, MOST_NAMED).map(({ slug, rate }) => `${slug} (${rate.toFixed(1)}/s)`)
  const others = greedy.length > MOST_NAMED ? ` and ${greedy.length - MOST_NAMED} more` : ''
  return (
    `${file}: the machines make up to ${total.toFixed(1)} messages/s, but only ${budget} may be sent: the rest waits, and the ` +
    `buffer fills. With at most ${share.toFixed(1)}/s each it fits; give a longer intervalMs to ${named.join(', ')}${others}`
  )
}

/** Tags of one device and one interval travel together, as many as a message holds. Where intervals fall together it is less. */
function rateOf({ tags }: Machine): number {
  const groups = Map.groupBy(tags, ({ device, intervalMs }) => `${intervalMs} ${device}`)
  return [...groups.values()].reduce(
    (sum, group) => sum + (Math.ceil(group.length / MAX_TAGS_PER_MESSAGE) * 1000) / group[0]!.intervalMs,
    0,
  )
}

/** The cap on each rate with which all together use the budget up. */
function fairShare(rates: readonly number[], budget: number): number {
  let left = budget
  const ascending = rates.toSorted((a, b) => a - b)
  for (const [index, rate] of ascending.entries()) {
    const share = left / (ascending.length - index)
    if (rate > share) return share
    left -= rate
  }
  return Infinity
}
