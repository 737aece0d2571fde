// What the processor can do, asked with CPUID and XGETBV through generated code.

import { environment } from '../../base/node.js'
import { Assembler, eax, ebx, ecx, edx, mem, rbx, rdi } from './assembler/index.js'
import { addressOf } from './native/arrays.js'
import { Code, callable } from './native/code.js'

/** Instruction sets kernels are generated for. */
export type Level = 'avx512' | 'avx2'

export interface Cpu {
  readonly model: string
  /** AVX2 with FMA, BMI1 and BMI2; the operating system saves the registers. */
  readonly avx2: boolean
  /** AVX-512 F, BW, DQ and VL. */
  readonly avx512: boolean
  /** 8-bit dot products: of AVX-512, and of AVX. */
  readonly vnni: boolean
  readonly avxVnni: boolean
  readonly bf16: boolean
  /** Reads the processor's number together with the time. */
  readonly rdtscp: boolean
  /** Bytes of the caches a core has, and of the last level. */
  readonly cache: { readonly l1: number; readonly l2: number; readonly l3: number }
}

/** Registers after CPUID. */
interface Leaf {
  readonly a: number
  readonly b: number
  readonly c: number
  readonly d: number
}
export type CpuId = (leaf: number, subleaf?: number) => Leaf

/** void f(u32 words[5]): CPUID of words[0], words[1] to words[0 … 3], or XCR0 if words[4] is set. */
function probe(): Uint8Array {
  const a = new Assembler()
  const [extended, done] = a.labels('xgetbv', 'done')
  a.push(rbx)
  a.mov(eax, mem({ base: rdi }))
  a.mov(ecx, mem({ base: rdi, disp: 4 }))
  a.cmp(mem({ base: rdi, disp: 16, size: 4 }), 0)
  a.jne(extended)
  a.cpuid()
  a.mov(mem({ base: rdi, disp: 4 }), ebx)
  a.mov(mem({ base: rdi, disp: 8 }), ecx)
  a.jmp(done)
  a.bind(extended)
  a.xgetbv()
  a.bind(done)
  a.mov(mem({ base: rdi }), eax)
  a.mov(mem({ base: rdi, disp: 12 }), edx)
  a.pop(rbx)
  a.ret()
  return a.finish()
}

const bit = (word: number, n: number): boolean => ((word >>> n) & 1) === 1

/** Reads a processor's features from its leaves. `xcr0` says which registers the system saves. */
export function decodeCpu(cpuid: CpuId, xcr0: () => number): Cpu {
  const most = cpuid(0).a
  const mostExtended = cpuid(0x8000_0000).a
  const none = { a: 0, b: 0, c: 0, d: 0 }
  const one = cpuid(1)
  const seven = most >= 7 ? cpuid(7) : none
  const sevenOne = most >= 7 && seven.a >= 1 ? cpuid(7, 1) : none
  const extended = mostExtended >= 0x8000_0001 ? cpuid(0x8000_0001) : none
  const saved = bit(one.c, 27) ? xcr0() : 0
  const avx = (saved & 0x06) === 0x06 && bit(one.c, 28)
  const bmi = bit(seven.b, 3) && bit(seven.b, 8)
  const avx2 = avx && bit(one.c, 12) && bit(seven.b, 5) && bmi
  const wide = [16, 17, 30, 31].every((n) => bit(seven.b, n))
  const avx512 = avx2 && (saved & 0xe6) === 0xe6 && wide
  return {
    model: modelOf(cpuid, mostExtended),
    avx2,
    avx512,
    vnni: avx512 && bit(seven.c, 11),
    avxVnni: avx2 && bit(sevenOne.a, 4),
    bf16: avx512 && bit(sevenOne.a, 5),
    rdtscp: bit(extended.d, 27),
    cache: cachesOf(cpuid, most, mostExtended, bit(extended.c, 22)),
  }
}

function modelOf(cpuid: CpuId, mostExtended: number): string {
  if (mostExtended < 0x8000_0004) return 'unknown'
  const words = [2, 3, 4].flatMap((n) => {
    const { a, b, c, d } = cpuid(0x8000_0000 + n)
    return [a, b, c, d]
  })
  const text = new TextDecoder().decode(new Uint8Array(Uint32Array.from(words).buffer))
  return text.split('\0')[0]!.replace(/\s+/g, ' ').trim()
}

/** Where neither vendor's leaf is there. */
const USUAL_CACHE = { l1: 32 << 10, l2: 512 << 10, l3: 8 << 20 }

function cachesOf(cpuid: CpuId, most: number, mostExtended: number, amd: boolean): Cpu['cache'] {
  const leaf = amd && mostExtended >= 0x8000_001d ? 0x8000_001d : most >= 4 ? 4 : 0
  const sizes = [0, 0, 0, 0]
  for (let i = 0; leaf !== 0 && i < 16; i++) {
    const { a, b, c } = cpuid(leaf, i)
    const kind = a & 31
    if (kind === 0) break
    const level = (a >>> 5) & 7
    // Instruction caches do not count.
    if (kind === 2 || level > 3) continue
    const [line, parts, ways] = [(b & 0xfff) + 1, ((b >>> 12) & 0x3ff) + 1, (b >>> 22) + 1]
    sizes[level] = line * parts * ways * (c + 1)
  }
  const { l1, l2, l3 } = USUAL_CACHE
  return { l1: sizes[1] || l1, l2: sizes[2] || l2, l3: sizes[3] || l3 }
}

let known: Cpu | null = null

/** This machine's processor. Throws `DeviceError` where machine code cannot be run. */
export function detectCpu(): Cpu {
  if (known !== null) return known
  const code = Code.load(probe())
  try {
    const f = callable(code.address, 'void', ['int64_t'])
    const words = new Uint32Array(5)
    const at = addressOf(words)
    const ask = (leaf: number, subleaf: number, extended: number): Leaf => {
      words.set([leaf, subleaf, 0, 0, extended])
      f(at)
      return { a: words[0]!, b: words[1]!, c: words[2]!, d: words[3]! }
    }
    known = decodeCpu(
      (leaf, subleaf = 0) => ask(leaf, subleaf, 0),
      () => ask(0, 0, 1).a,
    )
  } finally {
    code.free()
  }
  return known
}

/**
 * The instruction set to use: what `TESSERA_CPU` (`avx512`, `avx2`, `none`) asks for, else the best.
 * A reason, where there is none.
 */
export function chooseLevel(
  cpu: Cpu,
  asked = environment('TESSERA_CPU') ?? '',
): { readonly level: Level } | { readonly reason: string } {
  if (asked === 'none') return { reason: 'TESSERA_CPU=none forbids it' }
  if (asked !== '' && asked !== 'avx2' && asked !== 'avx512') {
    return { reason: `TESSERA_CPU is avx512, avx2 or none, and not ${asked}` }
  }
  if (!cpu.avx2) return { reason: `the processor (${cpu.model}) has no AVX2 with FMA` }
  if (asked === 'avx512' && !cpu.avx512) {
    return { reason: `TESSERA_CPU=avx512, and the processor (${cpu.model}) has no AVX-512` }
  }
  return { level: asked || (cpu.avx512 ? 'avx512' : 'avx2') }
}
