// Machine IR with real registers to bytes, by way of the assembler: operands translated, the few
// instructions that are not the processor's written out, a stack frame made and taken down.

import * as assembler from '../../assembler/index.js'
import {
  type Code,
  type Instruction,
  type Label,
  type Mem,
  type Operand,
  type View,
  VReg,
} from './code.js'
import type { Operation } from './operations.js'

const { Assembler, gp8, gp32, gp64, instructionOf, k, Memory, rax, rsp, xmm, ymm, zmm } = assembler

/** Registers a function leaves as it found them: rbx, rbp, r12 to r15. */
const PRESERVED = [3, 5, 12, 13, 14, 15]

type Index = assembler.Memory['index']

/** An instruction of the assembler's, and the bytes of its memory operand where nothing else tells. */
interface Direct {
  readonly instruction: assembler.Instruction
  readonly size: number
}
/** What has no counterpart in the assembler. */
type Special = (e: Encoder, operands: readonly Operand[]) => void

/** An instruction of the x87, which has none in the assembler: opcode and ModRM's digit of memory forms. */
const x87 =
  (opcode: number, digit: number): Special =>
  (e, [at]) =>
    e.x87(opcode, digit, at as Mem)
const plain =
  (...bytes: number[]): Special =>
  (e) =>
    e.a.db(...bytes)

const SPECIAL: Readonly<Record<string, Special>> = {
  label: (e, [at]) => void e.a.bind(e.label((at as Label).id)),
  align: (e) => e.a.align(32),
  vzero: (e, [to]) => e.zero(to as View),
  fld32: x87(0xd9, 0),
  fld64: x87(0xdd, 0),
  fstp32: x87(0xd9, 3),
  fstp64: x87(0xdd, 3),
  fprem: plain(0xd9, 0xf8),
  fnstsw: plain(0xdf, 0xe0),
  fpop: plain(0xdd, 0xd8),
}

/** Names that differ from the assembler's: forms the machine IR tells apart. */
const NAMES: Readonly<Record<string, readonly [name: string, size: number]>> = {
  imul2: ['imul', 0],
  movzx8: ['movzx', 1],
  mov32: ['mov', 4],
}

const rules = new Map<Operation, Direct | Special>()

/** How an operation is encoded, looked up when first asked for. */
function ruleOf(operation: Operation): Direct | Special {
  let rule = rules.get(operation)
  if (rule === undefined) {
    const [name, size] = NAMES[operation.name] ?? [operation.name, 0]
    rule = SPECIAL[name] ?? { instruction: instructionOf(name), size }
    rules.set(operation, rule)
  }
  return rule
}

class Encoder {
  readonly a = new Assembler()
  private readonly labels: assembler.Label[] = []
  private readonly pool = this.a.label('pool')

  constructor(
    private readonly code: Code,
    private readonly homes: Int8Array,
  ) {}

  run(): Uint8Array {
    const { a, code } = this
    const used = new Set(code.registers.map((r) => (r.cls === 'gp' ? this.homes[r.id] : -1)))
    const saved = PRESERVED.filter((n) => used.has(n))
    for (const n of saved) a.push(gp64(n))
    // The frame is aligned to cache lines; what rsp was is kept at its end.
    const frame = code.frameBytes === 0 ? 0 : (code.frameBytes + 8 + 63) & ~63
    if (frame > 0) {
      a.mov(rax, rsp)
      a.sub(rsp, frame)
      a.and(rsp, -64)
      a.mov(assembler.mem({ base: rsp, disp: frame - 8 }), rax)
    }
    for (const i of code.instructions) this.one(i)
    if (frame > 0) a.mov(rsp, assembler.mem({ base: rsp, disp: frame - 8 }))
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
    const { operands } = i
    const rule = ruleOf(i.operation)
    if (typeof rule === 'function') {
      rule(this, operands)
      return
    }
    if (i.isCopy() && this.number(i.writes[0]!) === this.number(i.reads[0]!)) return
    const translated: assembler.Operand[] = []
    for (let at = 0; at < operands.length; at++) {
      translated.push(this.operand(operands[at]!, rule.size))
    }
    const options = i.mask && { mask: k(this.number(i.mask)), zero: i.zero }
    a.encode(rule.instruction, translated, options)
  }

  private number(r: VReg): number {
    const n = this.homes[r.id]!
    if (n < 0) throw new Error(`no register for ${r.cls} ${r.id}`)
    return n
  }

  label(id: number): assembler.Label {
    this.labels[id] ??= this.a.label()
    return this.labels[id]
  }

  private operand(o: Operand, size: number): assembler.Operand {
    switch (o.kind) {
      case 'imm':
        return o.value
      case 'label':
        return this.label(o.id)
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

  private memory({ base, index, indexBits, scale, disp, spread }: Mem, size: number) {
    const broadcast = spread > 0
    const at = index && this.register(index, indexBits ?? 64)
    if (base instanceof VReg) {
      return new Memory(gp64(this.number(base)), at as Index, scale, disp, null, size, broadcast)
    }
    const offset = base.offset + disp
    if (base.area === 'frame') {
      return new Memory(rsp, at as Index, scale, offset, null, size, broadcast)
    }
    return new Memory(null, null, 1, offset, this.pool, size, broadcast)
  }

  zero(v: View): void {
    const n = this.number(v.reg)
    if (n < 16) this.a.vxorps(xmm(n), xmm(n), xmm(n))
    else this.a.vpxord(zmm(n), zmm(n), zmm(n))
  }

  /** An x87 instruction on a place in the stack frame: [rsp + index·scale + disp]. */
  x87(opcode: number, digit: number, m: Mem): void {
    const index = m.index ? this.number(m.index) : 4
    const disp = m.disp + (m.base instanceof VReg ? 0 : m.base.offset)
    if (index >= 8) this.a.db(0x42)
    this.a.db(opcode, 0x84 | (digit << 3), (Math.log2(m.scale) << 6) | ((index & 7) << 3) | 4)
    this.a.dd(disp)
  }
}

/** The bytes of finished machine code. */
export const encode = (code: Code, homes: Int8Array): Uint8Array => new Encoder(code, homes).run()
