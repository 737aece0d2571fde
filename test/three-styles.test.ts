// One network, three styles: eager, compiled, and a graph in a session give the same weights, bit for bit,
// whoever looks on, on any number of threads, in every run.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { wasmAvailable } from '../src/backends/wasm/device.js'
import { chooseLevel, detectCpu } from '../src/backends/x64/cpu.js'
import { x64Available } from '../src/backends/x64/device.js'
import { bundled, type Program } from './support/child.js'

interface Answer {
  readonly threads: number
  readonly digests: Readonly<Record<string, string>>
}

const wasm = wasmAvailable()
const x64 = x64Available()
/** Without fused multiply-add products have other bits. */
const fused = wasm.detail.includes('fma')

/** Machine code for AVX-512 and AVX2, as far as this processor has them. */
const MACHINE_CODE = (['avx512', 'avx2'] as const).filter(
  (level) => x64.available && 'level' in chooseLevel(detectCpu(), level),
)

let program: Program
const answers: Answer[] = []
const machineCode = new Map<string, Answer>()

/** Runs everything in a process of its own, on so many threads. */
async function answer(threads: number, env: Record<string, string>): Promise<Answer> {
  const all = { TESSERA_CPU: '', TESSERA_THREADS: String(threads), ...env }
  return JSON.parse(await program.run({ env: all })) as Answer
}

beforeAll(async () => {
  program = await bundled('styles-main.ts')
  for (const threads of [1, 1, 2, 4])
    answers.push(await answer(threads, { TESSERA_DEVICE: 'wasm' }))
  for (const level of MACHINE_CODE) {
    for (const threads of [1, 2, 4]) {
      const env = { TESSERA_DEVICE: 'x64', TESSERA_CPU: level }
      machineCode.set(`${level} ${threads}`, await answer(threads, env))
    }
  }
}, 300_000)
afterAll(() => program.remove())

describe.each(MACHINE_CODE)('machine code for %s', (level) => {
  it.each([1, 2, 4])('gives the bits of WebAssembly with fma, on %i threads', (threads) => {
    const { digests } = machineCode.get(`${level} ${threads}`)!
    const other = fused ? answers[0]! : machineCode.get(`${MACHINE_CODE[0]} 1`)!
    expect(digests).toEqual(other.digests)
  })
})

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
