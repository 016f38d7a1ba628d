import { expect, it } from 'vitest'
import { costLines, costOfTenant } from '../../../lambdas/admin/tenant-costs.ts'

it('counts a month from the days that were measured', () => {
  // Two gateways, connected all of 10 days, and 100,000 messages of 10 samples. A month is 3.0416… times that:
  // 87,600 min × $0.08/M = 0.007008; 304,166.7 messages × ($1 + $0.45 + $1.20)/M = 0.806042; 525,600 heartbeats × ($1 + $0.30 + $0.48)/M
  // = 0.935568; 3,041,667 samples × 2.5 B = 7.604 MB × $0.023/GB = 0.000175.
  const usage = { slug: 'granix', days: 10, messages: 100_000, samples: 1_000_000, connectedMinutes: 28_800 }
  expect(costOfTenant(usage)).toBeCloseTo(0.007008 + 0.806042 + 0.935568 + 0.000175, 5)
  const [first, second, third] = costLines([
    usage,
    { ...usage, slug: 'norpan', samples: 3_000_000 },
    { ...usage, slug: 'new', days: 0, messages: 0, samples: 0, connectedMinutes: 0 },
  ])
  expect(first).toBe(
    'granix  $1.75 a month  25.0 % of all samples  100000 messages, 1000000 samples in 10 days  2.0 gateways connected',
  )
  expect(second).toContain('75.0 % of all samples')
  expect(third).toBe('new  no whole day is counted yet')
})
