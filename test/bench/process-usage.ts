import { readFileSync, readdirSync } from 'node:fs'

/** Linux: user plus system time in ticks of 10 ms (USER_HZ is 100 on every platform that Node supports). */
const TICK_MS = 10
const PAGE_BYTES = 4096

/** The process and all that it has started, by /proc. */
export function processTree(root: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined
    if (stat) parents.set(Number(name), stat.parent)
  }
  const tree = [root]
  for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child)
  return tree
}

/** CPU time so far in ms and resident memory in MB, of all of them together. A process that has ended counts nothing. */
export function usageOf(pids: number[]): { cpuMs: number; rssMb: number } {
  const stats = pids.map(statOf).filter((stat) => stat !== undefined)
  return {
    cpuMs: stats.reduce((sum, stat) => sum + stat.cpuMs, 0),
    rssMb: stats.reduce((sum, stat) => sum + stat.rssBytes, 0) / 2 ** 20,
  }
}

function statOf(pid: number): { parent: number; cpuMs: number; rssBytes: number } | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined // it has ended meanwhile
  }
  // The command's name, in brackets, may hold spaces; what follows it begins with the state, field 3.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const field = (number: number) => Number(fields[number - 3])
  return { parent: field(4), cpuMs: (field(14) + field(15)) * TICK_MS, rssBytes: field(24) * PAGE_BYTES }
}
