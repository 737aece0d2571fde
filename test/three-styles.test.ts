// One network, three styles: eager, compiled, and a graph in a session give the same weights, bit for bit,
// whoever looks on, on any number of threads, in every run.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundled, type Program } from './support/child.js'

interface Answer {
  readonly threads: number
  readonly digests: Readonly<Record<string, string>>
}

let program: Program
const answers: Answer[] = []

/** Runs everything in a process of its own, on so many threads. */
async function answer(threads: number): Promise<Answer> {
  const env = { TESSERA_THREADS: String(threads), TESSERA_DEVICE: 'wasm' }
  return JSON.parse(await program.run({ env })) as Answer
}

beforeAll(async () => {
  program = await bundled('styles-main.ts')
  for (const threads of [1, 1, 2, 4]) answers.push(await answer(threads))
}, 180_000)
afterAll(() => program.remove())

/** The names of digests that start so, with their values in the first process. */
const found = (prefix: string): [string, string][] =>
  Object.entries(answers[0]!.digests).filter(([name]) => name.startsWith(prefix))

describe.each(['Adam', 'SGD'])('50 steps of an MLP with dropout, by %s', (algorithm) => {
  const prefix = `mlp ${algorithm}: `
  it.each(['eager, printing', 'compiled', 'compiled, printing', 'session', 'session, printing'])(
    'give the same bits %s as eagerly',
    (style) => {
      const { digests } = answers[0]!
      expect(digests[prefix + style]).toBe(digests[`${prefix}eager`])
    },
  )

  it('give the same bits in two processes', () => {
    expect(found(prefix).length).toBe(6)
    for (const [name, digest] of found(prefix)) expect(answers[1]!.digests[name], name).toBe(digest)
  })

  it.each([2, 4])('give the same bits on %i threads', (threads) => {
    const other = answers.find((a) => a.threads === threads)!
    for (const [name, digest] of found(prefix)) expect(other.digests[name], name).toBe(digest)
  })
})

describe.each(['Adam', 'SGD'])(
  '10 steps of a CNN with batch norm and pooling, by %s',
  (algorithm) => {
    const prefix = `cnn ${algorithm}: `
    it('give the same bits compiled as eagerly', () => {
      expect(found(prefix).length).toBe(2)
      expect(answers[0]!.digests[`${prefix}compiled`]).toBe(answers[0]!.digests[`${prefix}eager`])
    })

    it.each([1, 2, 4])('give the same bits in another process on %i threads', (threads) => {
      const other = answers.findLast((a) => a.threads === threads)!
      for (const [name, digest] of found(prefix)) expect(other.digests[name], name).toBe(digest)
    })
  },
)
