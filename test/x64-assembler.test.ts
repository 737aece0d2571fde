// The x64 assembler against the bytes of GNU as: those in the fixture, which need no tool, and, where
// `as` is installed, many more. TESSERA_X64_CASES=all tries all there are.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { instructionOf } from '../src/backends/x64/assembler/assembler.js'
import { nops } from '../src/backends/x64/assembler/code.js'
import { Assembler, type Mnemonic } from '../src/backends/x64/assembler/index.js'
import { findForm } from '../src/backends/x64/assembler/match.js'
import { TABLE } from '../src/backends/x64/assembler/tables/index.js'
import { assembleLines, hasGnuAs } from './support/gnu-as.js'
import { allCases, assemble, type Case, textOf } from './support/x64-cases.js'
import { parseInstruction } from './support/x64-text.js'

interface Known {
  readonly text: string
  readonly bytes: string
}

function readFixture(): Known[] {
  const known: Known[] = []
  let mnemonic = ''
  const file = new URL('./fixtures/x64-instructions.txt', import.meta.url)
  for (const line of readFileSync(file, 'utf8').trimEnd().split('\n')) {
    if (line.endsWith(':')) mnemonic = line.slice(0, -1)
    else {
      const [, bytes = '', operands = ''] = /^(\S+) ?(.*)$/.exec(line)!
      known.push({ text: `${mnemonic} ${operands}`.trimEnd(), bytes })
    }
  }
  return known
}

/** The first differences, in words. */
function differences(ours: readonly Known[], theirs: readonly (string | null)[]): string[] {
  const out: string[] = []
  ours.forEach(({ text, bytes }, i) => {
    if (bytes !== theirs[i]) out.push(`${text}: ${bytes}, as: ${theirs[i]}`)
  })
  return out.slice(0, 20)
}

const known = readFixture()

describe('the fixture', () => {
  it('holds the bytes that the assembler makes', () => {
    const ours = known.map(({ text }) => ({ text, bytes: assemble(parseInstruction(text)) }))
    expect(
      differences(
        ours,
        known.map(({ bytes }) => bytes),
      ),
    ).toEqual([])
    expect(known.length).toBeGreaterThan(10_000)
  })

  it('is read back as it was written', () => {
    const changed = known.filter(({ text }) => textOf(parseInstruction(text)) !== text)
    expect(changed.slice(0, 10)).toEqual([])
  })

  it('has every form of every instruction', () => {
    const seen = new Set<unknown>()
    for (const { text } of known) {
      const { mnemonic, operands, options } = parseInstruction(text)
      seen.add(findForm(instructionOf(mnemonic), operands, options))
    }
    const missing = (Object.keys(TABLE) as Mnemonic[]).flatMap((mnemonic) =>
      instructionOf(mnemonic)
        .forms.filter((form) => form.prefix !== 'jump' && !seen.has(form))
        .map((form) => `${mnemonic} ${form.row} (${form.prefix} ${form.length})`),
    )
    expect(missing).toEqual([])
  })
})

/** A program of jumps over fillers, as text and as bytes of ours. */
function jumpProgram(seed: number): Known {
  let state = seed
  const random = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 8) % n
  }
  const a = new Assembler()
  const count = 3 + random(12)
  const labels = Array.from({ length: count }, (_, i) => a.label(`p${seed}_${i}`))
  const text: string[] = []
  for (let i = 0; i < count; i++) {
    text.push(`${labels[i]}:`)
    a.bind(labels[i]!)
    for (let jumps = random(4); jumps > 0; jumps--) {
      const mnemonic = (['jmp', 'je', 'jb', 'jg', 'call'] as const)[random(5)]!
      const label = labels[random(count)]!
      text.push(`${mnemonic} ${label}`)
      a[mnemonic](label)
    }
    // Distances near 128 decide between short and near; chains of them decide about each other.
    const filler = random(3) === 0 ? 110 + random(30) : random(60)
    text.push(`.fill ${filler}, 1, 0xcc`)
    a.db(new Array<number>(filler).fill(0xcc))
  }
  return { text: text.join('\n'), bytes: Buffer.from(a.finish()).toString('hex') }
}

const installed = hasGnuAs()
if (!installed) console.warn('x64 assembler: GNU as is not installed; only the fixture is checked')

describe.skipIf(!installed)('GNU as', () => {
  it('still says what the fixture says', () => {
    const { bytes, complaints } = assembleLines(known.map(({ text }) => text))
    expect(complaints).toEqual([])
    expect(differences(known, bytes)).toEqual([])
  })

  it('agrees about many more registers, addresses, masks and rounding modes', () => {
    const stride = process.env.TESSERA_X64_CASES === 'all' ? 1 : 9
    const cases: Case[] = []
    let n = 0
    for (const each of allCases(true)) if (n++ % stride === 0) cases.push(each)
    expect(cases.length).toBeGreaterThan(30_000)
    const ours = cases.map((each) => ({ text: textOf(each), bytes: assemble(each) }))
    const { bytes, complaints } = assembleLines(ours.map(({ text }) => text))
    expect(complaints).toEqual([])
    expect(differences(ours, bytes)).toEqual([])
  }, 120_000)

  it('makes the same jumps short', () => {
    const ours = Array.from({ length: 500 }, (_, i) => jumpProgram(i + 1))
    const { bytes, complaints } = assembleLines(ours.map(({ text }) => text))
    expect(complaints).toEqual([])
    expect(differences(ours, bytes)).toEqual([])
  })

  it('knows the instructions that fill alignments', () => {
    const texts = [
      'nop',
      'xchg ax, ax',
      'nop dword ptr [rax]',
      '{disp8} nop dword ptr [rax]',
      '{disp8} nop dword ptr [rax+rax*1]',
      '{disp8} nop word ptr [rax+rax*1]',
      '{disp32} nop dword ptr [rax]',
      '{disp32} nop dword ptr [rax+rax*1]',
      '{disp32} nop word ptr [rax+rax*1]',
    ]
    const ours = texts.map((text, i) => ({ text, bytes: Buffer.from(nops(i + 1)).toString('hex') }))
    expect(differences(ours, assembleLines(texts).bytes)).toEqual([])
  })
})
