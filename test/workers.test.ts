// Several JavaScript threads of one process that train: they are right, and may end at any time. What they
// cost one another, bench/x64/busy.ts measures.

import { currentDeviceName } from 'tessera'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundled, type Program } from './support/child.js'

let program: Program
beforeAll(async () => {
  program = await bundled('workers.ts')
})
afterAll(() => program.remove())

const run = async (task: string) => JSON.parse(await program.run({ args: [task] }))

describe.skipIf(currentDeviceName() === 'reference')(
  'JavaScript threads',
  { timeout: 90_000 },
  () => {
    test('train one after the other and at once, to the same bits', async () => {
      expect((await run('together')).digests.length).toBe(1)
    })

    test('are terminated in the middle of steps, and the rest goes on', async () => {
      expect((await run('terminate')).digests.length).toBe(1)
    })

    test('end with the process', async () => {
      expect(await program.run({ args: ['exit'] })).toBe('')
    })

    test('end with an error nobody catches', async () => {
      const error = await run('throw').catch((e) => e)
      expect(error).toMatchObject({ code: 1, signal: null })
      expect(String(error.stderr)).toContain('on purpose')
    })
  },
)
