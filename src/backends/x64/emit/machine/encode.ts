// Machine IR with real registers to bytes, by way of the assembler: operands translated, the few
// instructions that are not the processor's written out, a stack frame made and taken down.

import {
  Assembler,
  type Label as AssemblerLabel,
  type Mem as AssemblerMem,
  gp8,
  gp32,
  gp64,
  k,
  mem as memoryOf,
  rax,
  rsp,
  type VectorMem,
  xmm,
  ymm,
  zmm,
} from '../../assembler/index.js'
import type { Code, Instruction, Label, Mem, Operand, View, VReg } from './code.js'
import { isCopy } from './roles.js'

/** Registers a function leaves as it found them: rbx, rbp, r12 to r15. */
const PRESERVED = [3, 5, 12, 13, 14, 15]

/** Names that differ from the assembler's: forms the machine IR tells apart. */
const NAMES: Record<string, string> = { imul2: 'imul', movzx8: 'movzx', mov32: 'mov' }

/** Instructions of the x87, which has none in the assembler: prefix and ModRM's digit of memory forms. */
const X87: Record<string, readonly [opcode: number, digit: number]> = {
  fld32: [0xd9, 0],
  fld64: [0xdd, 0],
  fstp32: [0xd9, 3],
  fstp64: [0xdd, 3],
}
const X87_PLAIN: Record<string, readonly number[]> = {
  fprem: [0xd9, 0xf8],
  fnstsw: [0xdf, 0xe0],
  fpop: [0xdd, 0xd8],
}

type Method = (...args: unknown[]) => void

class Encoder {
  readonly a = new Assembler()
  private readonly labels = new Map<number, AssemblerLabel>()
  private readonly pool = this.a.label('pool')

  constructor(
    private readonly code: Code,
    private readonly homes: ReadonlyMap<number, number>,
  ) {}

  run(): Uint8Array {
    const { a, code } = this
    const used = new Set(
      code.registers.flatMap((r) => (r.cls === 'gp' ? (this.homes.get(r.id) ?? []) : [])),
    )
    const saved = PRESERVED.filter((n) => used.has(n))
    for (const n of saved) a.push(gp64(n))
    // The frame is aligned to cache lines; what rsp was is kept at its end.
    const frame = code.frameBytes === 0 ? 0 : (code.frameBytes + 8 + 63) & ~63
    if (frame > 0) {
      a.mov(rax, rsp)
      a.sub(rsp, frame)
      a.and(rsp, -64)
      a.mov(memoryOf({ base: rsp, disp: frame - 8 }), rax)
    }
    for (const i of code.instructions) this.one(i)
    if (frame > 0) a.mov(rsp, memoryOf({ base: rsp, disp: frame - 8 }))
    for (const n of saved.reverse()) a.pop(gp64(n))
    a.vzeroupper()
    a.ret()
    const pool = code.poolBytes()
    if (pool.length > 0) {
      a.align(64)
      a.bind(this.pool)
      a.db(...pool)
    }
    return a.finish()
  }

  private one(i: Instruction): void {
    const { a } = this
    const [first] = i.operands
    if (i.op === 'label') {
      a.bind(this.labelOf(first as Label))
    } else if (i.op === 'align') {
      a.align(32)
    } else if (i.op === 'vzero') {
      this.zero(first as View)
    } else if (X87[i.op]) {
      this.x87(X87[i.op]!, first as Mem)
    } else if (X87_PLAIN[i.op]) {
      a.db(...X87_PLAIN[i.op]!)
    } else {
      if (isCopy(i) && this.same(i.operands[0] as View, i.operands[1] as View)) return
      this.instruction(i)
    }
  }

  private same(a: View, b: View): boolean {
    return this.number(a.reg) === this.number(b.reg)
  }

  private instruction(i: Instruction): void {
    const name = NAMES[i.op] ?? i.op
    const method = (this.a as unknown as Record<string, Method | undefined>)[name]
    if (!method) throw new Error(`the assembler knows no ${name}`)
    const size = i.op === 'movzx8' ? 1 : i.op === 'mov32' ? 4 : 0
    const operands: unknown[] = i.operands.map((o) => this.operand(o, size))
    if (i.mask) operands.push({ mask: k(this.number(i.mask)), zero: i.zero })
    method.call(this.a, ...operands)
  }

  private number(r: VReg): number {
    const n = this.homes.get(r.id)
    if (n === undefined) throw new Error(`no register for ${r.cls} ${r.id}`)
    return n
  }

  private labelOf(l: Label): AssemblerLabel {
    let label = this.labels.get(l.id)
    if (!label) {
      label = this.a.label()
      this.labels.set(l.id, label)
    }
    return label
  }

  private operand(o: Operand, size: number): unknown {
    switch (o.kind) {
      case 'imm':
        return o.value
      case 'label':
        return this.labelOf(o)
      case 'mem':
        return this.memory(o, size)
      case 'view':
        return this.register(o.reg, o.bits)
    }
  }

  private register(r: VReg, bits: View['bits']) {
    const n = this.number(r)
    if (r.cls === 'mask') return k(n)
    if (r.cls === 'vector') return bits === 512 ? zmm(n) : bits === 256 ? ymm(n) : xmm(n)
    return bits === 8 ? gp8(n) : bits === 32 ? gp32(n) : gp64(n)
  }

  private memory(m: Mem, size: number): AssemblerMem | VectorMem {
    const broadcast = m.spread > 0
    if ('area' in m.base && m.base.area === 'pool') {
      return memoryOf({ label: this.pool, disp: m.base.offset + m.disp, broadcast, size })
    }
    const base = 'area' in m.base ? rsp : gp64(this.number(m.base))
    const disp = 'area' in m.base ? m.base.offset + m.disp : m.disp
    const { index, scale } = m
    if (!index) return memoryOf({ base, disp, broadcast, size })
    if (m.indexBits !== null) {
      const n = this.number(index)
      const vector = m.indexBits === 512 ? zmm(n) : m.indexBits === 256 ? ymm(n) : xmm(n)
      return memoryOf({ base, index: vector, scale, disp })
    }
    return memoryOf({ base, index: gp64(this.number(index)), scale, disp, broadcast, size })
  }

  private zero(v: View): void {
    const n = this.number(v.reg)
    if (n < 16) this.a.vxorps(xmm(n), xmm(n), xmm(n))
    else this.a.vpxord(zmm(n), zmm(n), zmm(n))
  }

  /** An x87 instruction on a place in the stack frame: [rsp + index·scale + disp]. */
  private x87([opcode, digit]: readonly [number, number], m: Mem): void {
    const index = m.index ? this.number(m.index) : 4
    const disp = m.disp + ('area' in m.base ? m.base.offset : 0)
    if (index >= 8) this.a.db(0x42)
    this.a.db(opcode, 0x84 | (digit << 3), (Math.log2(m.scale) << 6) | ((index & 7) << 3) | 4)
    this.a.dd(disp)
  }
}

/** The bytes of finished machine code. */
export const encode = (code: Code, homes: ReadonlyMap<number, number>): Uint8Array =>
  new Encoder(code, homes).run()
