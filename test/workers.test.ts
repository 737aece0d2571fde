// Several JavaScript threads of one process that train: right, not slower for it, and they may end at any time.

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
    test('train at once, to the same bits, and no slower than one after the other', async () => {
      const { digests, times } = await run('together')
      expect(digests.length).toBe(1)
      // Measured 0.7 to 1 where nothing else runs.
      if (currentDeviceName() === 'x64') expect(times[1] / times[0]).toBeLessThan(2)
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
