import { expect, it } from 'vitest'
import { killOften, prepareAgent } from '../../helpers/agent-under-test.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** `npm run soak` kills fifty times. */
const KILLS = 6

it(
  'kill -9 at random instants: every reading arrives, each with one content, and none is invented',
  { timeout: 120_000 },
  async () => {
    const machine = '  - { slug: pump-1, device: plc-1, intervalMs: 50, tags: { count: { address: "holding:1" } } }'
    const agent = await prepareAgent(temporaryFolder(), machine)
    try {
      const { messages, faults } = await killOften(agent, KILLS, 'pump-1')
      expect(faults).toEqual([])
      expect(messages).toBeGreaterThan(20)
    } finally {
      await agent.stop()
    }
  },
)
