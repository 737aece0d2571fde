// What tests of this backend share: kernels assembled by hand, memory between guard pages, and a loud word
// where there is nothing to test.

import type { Kernel, Plan } from '../../compiler/kernel/ir.js'
import { kernelTwice } from '../harness.js'
import {
  Assembler,
  dword,
  eax,
  ecx,
  mem,
  qword,
  r8,
  r9,
  r10,
  rax,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  xmm,
} from './assembler/index.js'
import { x64Available } from './device.js'
import { libc, MAP, PROT } from './native/libc.js'
import { PAGE, roundUp, viewOf } from './native/pages.js'
import type { Emit } from './plan-code.js'

export { ports } from '../harness.js'

let said = false

/** Whether the tests that run machine code can: on Linux, on x86-64, with koffi and AVX2. */
export function canRun(): boolean {
  const { available, detail } = x64Available()
  if (!available && !said) console.warn(`x64: tests of machine code are SKIPPED: ${detail}`)
  said = true
  return available
}

const byHand = new WeakMap<Kernel, Uint8Array>()

/** Emits kernels made by `handKernel`. */
export const emitByHand: Emit = (kernel) => {
  const bytes = byHand.get(kernel)
  if (bytes === undefined) throw new Error(`${kernel.name} was not made by hand`)
  return { bytes }
}

/**
 * A kernel whose code is written here: rdi is the chunk, rsi the scratch memory, rdx the addresses of its
 * buffers, rcx the fault word.
 */
export function handKernel(
  name: string,
  grid: number,
  nanoseconds: number,
  write: (a: Assembler) => void,
): Kernel {
  const a = new Assembler()
  write(a)
  const chunk = { id: 0, name: 'chunk' }
  const bytes = 100 * nanoseconds
  const kernel: Kernel = { name, buffers: [], grid, chunk, body: [], flops: 0, bytes }
  byHand.set(kernel, a.finish())
  return kernel
}

/** Runs `body` with the index of an element in rax, for `per` of them a chunk, up to n. */
function elements(a: Assembler, n: number, per: number, body: () => void): void {
  const [loop, done] = a.labels('loop', 'done')
  a.imul(rax, rdi, per)
  a.lea(r8, mem({ base: rax, disp: per }))
  a.mov(ecx, n)
  a.cmp(r8, rcx)
  a.cmova(r8, rcx)
  a.bind(loop)
  a.cmp(rax, r8)
  a.jae(done)
  body()
  a.inc(rax)
  a.jmp(loop)
  a.bind(done)
  a.ret()
}

/** y = x + 1 over n float32 elements. */
export const increment = (n: number, per = 4096): Kernel =>
  handKernel('increment', Math.ceil(n / per), n, (a) => {
    const one = a.float32(1)
    a.mov(r9, mem({ base: rdx }))
    a.mov(r10, mem({ base: rdx, disp: 8 }))
    elements(a, n, per, () => {
      a.vmovss(xmm(0), dword({ base: r9, index: rax, scale: 4 }))
      a.vaddss(xmm(0), xmm(0), mem({ label: one }))
      a.vmovss(dword({ base: r10, index: rax, scale: 4 }), xmm(0))
    })
  })

/** y[i] = x[i]·0.5 + x[n-1-i], which needs what other threads wrote before. */
export const blend = (n: number, per: number): Kernel =>
  handKernel('blend', Math.ceil(n / per), 2 * n, (a) => {
    const half = a.float32(0.5)
    a.mov(r9, mem({ base: rdx }))
    a.mov(r10, mem({ base: rdx, disp: 8 }))
    elements(a, n, per, () => {
      a.vmovss(xmm(0), dword({ base: r9, index: rax, scale: 4 }))
      a.vmulss(xmm(0), xmm(0), mem({ label: half }))
      a.mov(ecx, n - 1)
      a.sub(rcx, rax)
      a.vaddss(xmm(0), xmm(0), dword({ base: r9, index: rcx, scale: 4 }))
      a.vmovss(dword({ base: r10, index: rax, scale: 4 }), xmm(0))
    })
  })

/** Sets the fault word to `code` if x[0] is negative. */
export const faulty = (code: number): Kernel =>
  handKernel('faulty', 1, 1, (a) => {
    const fine = a.label('fine')
    a.mov(rax, mem({ base: rdx }))
    a.cmp(dword({ base: rax }), 0)
    a.jge(fine)
    a.mov(dword({ base: rcx }), code)
    a.bind(fine)
    a.ret()
  })

/** Stores MXCSR, and leaves behind one that rounds down and knows no subnormal numbers. */
export const rounding = (): Kernel =>
  handKernel('rounding', 1, 1, (a) => {
    const spoilt = a.int32(0xbfc0)
    a.mov(rax, mem({ base: rdx }))
    a.stmxcsr(dword({ base: rax }))
    a.ldmxcsr(mem({ label: spoilt }))
    a.ret()
  })

/** Fills `words` of scratch memory with the chunk's number, and stores the last if the first still has it. */
export const scratching = (grid: number, words: number): Kernel =>
  handKernel('scratching', grid, 1000 * grid, (a) => {
    const [loop, lost] = a.labels('loop', 'lost')
    a.mov(rcx, words)
    a.bind(loop)
    a.mov(qword({ base: rsi, index: rcx, scale: 8, disp: -8 }), rdi)
    a.dec(rcx)
    a.jne(loop)
    a.mov(rax, mem({ base: rsi, disp: 8 * (words - 1) }))
    a.cmp(rax, mem({ base: rsi }))
    a.jne(lost)
    a.mov(rcx, mem({ base: rdx }))
    a.mov(dword({ base: rcx, index: rdi, scale: 4 }), eax)
    a.bind(lost)
    a.ret()
  })

/** Adds one to a counter for each chunk. */
export const counting = (grid: number): Kernel =>
  handKernel('counting', grid, 100 * grid, (a) => {
    a.mov(rax, mem({ base: rdx }))
    a.lock_inc(dword({ base: rax, index: rdi, scale: 4 }))
    a.ret()
  })

/** Stores the sum of the numbers its other buffers begin with. */
export const summing = (buffers: number): Kernel =>
  handKernel('summing', 1, 1, (a) => {
    a.xor(eax, eax)
    for (let i = 1; i < buffers; i++) {
      a.mov(rcx, mem({ base: rdx, disp: 8 * i }))
      a.add(eax, dword({ base: rcx }))
    }
    a.mov(rcx, mem({ base: rdx }))
    a.mov(dword({ base: rcx }), eax)
    a.ret()
  })

/** Stores whether the stack is aligned as functions expect: 8 past a multiple of 16 on entry. */
export const stackAlignment = (): Kernel =>
  handKernel('stack', 1, 1, (a) => {
    a.mov(rax, rsp)
    a.and(rax, 15)
    a.mov(rcx, mem({ base: rdx }))
    a.mov(dword({ base: rcx }), eax)
    a.ret()
  })

/** input 0 → arena → output 0, adding 1 twice. */
export const twice = (n: number): Plan => kernelTwice(n, increment(n))

/** input 0 → … → output 0, adding 1 in each step: piece by piece, in chunks of different sizes. */
export function pieceByPiece(n: number, steps: number, pieces: number): Plan {
  const bytes = 4 * n
  const commands: Plan['commands'][number][] = []
  for (let i = 0; i < steps; i++) {
    if (i > 0) commands.push({ op: 'barrier', pieces })
    const kernel = increment(n, n / pieces / (1 + (i % 3)))
    commands.push({ op: 'kernel', kernel, args: [i === 0 ? 0 : 1, i === steps - 1 ? 2 : 1] })
  }
  return {
    buffers: [
      { kind: 'input', index: 0, bytes },
      { kind: 'arena', offset: 0, bytes },
      { kind: 'output', index: 0, bytes },
    ],
    commands,
    arenaBytes: bytes,
    scratchBytes: 0,
    faults: [],
  }
}

/** Many dependent kernels and copies, back and forth between two buffers. */
export function pingPong(n: number, steps: number, per = 2048): Plan {
  const kernel = blend(n, per)
  const bytes = 4 * n
  const commands: Plan['commands'][number][] = [{ op: 'copy', from: 0, to: 1, bytes }]
  for (let i = 0; i < steps; i++) {
    const args = i % 2 === 0 ? [1, 2] : [2, 1]
    commands.push({ op: 'barrier' }, { op: 'kernel', kernel, args })
  }
  commands.push({ op: 'barrier' }, { op: 'copy', from: steps % 2 === 0 ? 1 : 2, to: 3, bytes })
  return {
    buffers: [
      { kind: 'input', index: 0, bytes },
      { kind: 'arena', offset: 0, bytes },
      { kind: 'arena', offset: roundUp(bytes, 64), bytes },
      { kind: 'output', index: 0, bytes },
    ],
    commands,
    arenaBytes: 2 * roundUp(bytes, 64),
    scratchBytes: 0,
    faults: [],
  }
}

/** What `pingPong` computes. */
export function pingPongOf(x: Float32Array, steps: number): Float32Array {
  let from = x
  for (let s = 0; s < steps; s++) {
    const now = from
    from = now.map((v, i) => Math.fround(v * 0.5) + now[now.length - 1 - i]!)
  }
  return from
}

/**
 * `bytes` of memory that end where a page begins that must not be touched, or (`first`) begin where one
 * ends. Whoever goes beyond kills the process.
 */
export function guarded(bytes: number, first = false): { buffer: ArrayBuffer; free(): void } {
  const c = libc()
  const inner = roundUp(Math.max(bytes, 1), PAGE)
  const mapped = inner + 2 * PAGE
  const base = c.mmap(0, mapped, PROT.none, MAP.private | MAP.anonymous, -1)
  if (base < 0 || c.mprotect(base + PAGE, inner, PROT.read | PROT.write) !== 0) {
    throw new Error('no memory between guard pages')
  }
  const at = base + PAGE + (first ? 0 : inner - bytes)
  return { buffer: viewOf(at, bytes), free: () => void c.munmap(base, mapped) }
}
