// GNU as as an oracle: the bytes of each line of a program in Intel's syntax.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Whether `as` is here and assembles for x86-64. */
export function hasGnuAs(): boolean {
  const { status } = spawnSync('as', ['--64', '-o', '/dev/null', '-'], {
    input: 'vpdpbusd %zmm0, %zmm1, %zmm2\n',
  })
  return status === 0
}

/** The bytes of each line, as hex; lines that `as` refuses are null, with its complaints. */
export function assembleLines(lines: readonly string[]): {
  readonly bytes: readonly (string | null)[]
  readonly complaints: readonly string[]
} {
  const dir = mkdtempSync(path.join(tmpdir(), 'tessera-as-'))
  try {
    const source = path.join(dir, 'a.s')
    const object = path.join(dir, 'a.o')
    const flat = path.join(dir, 'a.bin')
    const refused = new Set<number>()
    const complaints: string[] = []
    for (let round = 0; ; round++) {
      // Between the lines stand marks, so that the flat image can be cut where the symbols say.
      const text = lines.map((line, i) => `l${i}: ${refused.has(i) ? '' : line}\n`).join('')
      writeFileSync(source, `.intel_syntax noprefix\n.text\n${text}l${lines.length}:\n`)
      const run = spawnSync('as', ['--64', '-o', object, source], {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
      })
      if (run.status === 0) break
      if (round > 0) throw new Error(run.stderr.slice(0, 2000))
      for (const match of run.stderr.matchAll(/a\.s:(\d+): Error: (.*)/g)) {
        const line = Number(match[1]) - 3
        refused.add(line)
        complaints.push(`${lines[line]}: ${match[2]}`)
      }
    }
    spawnSync('objcopy', ['-O', 'binary', '-j', '.text', object, flat])
    const symbols = spawnSync('nm', [object], { encoding: 'utf8', maxBuffer: 1 << 28 })
    const offsets = new Array<number>(lines.length + 1).fill(0)
    for (const match of symbols.stdout.matchAll(/^([0-9a-f]+) t l(\d+)$/gm)) {
      offsets[Number(match[2])] = Number.parseInt(match[1]!, 16)
    }
    const image = readFileSync(flat)
    const bytes = lines.map((_, i) =>
      refused.has(i) ? null : image.subarray(offsets[i], offsets[i + 1]).toString('hex'),
    )
    return { bytes, complaints }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
