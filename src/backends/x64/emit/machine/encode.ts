// Machine IR with real registers to bytes, by way of the assembler: operands translated, the few
// instructions that are not the processor's written out, a stack frame made and taken down.

import * as assembler from '../../assembler/index.js'
import type { Code, Instruction, Label, Mem, Operand, RegClass, View, VReg } from './code.js'
import type { Convention } from './convention.js'
import type { Operation } from './operations.js'

const { Assembler, gp8, gp16, gp32, gp64, instructionOf, k, Memory, rax, rsp, xmm, ymm, zmm } =
  assembler

type Index = assembler.Memory['index']

/** An instruction of the assembler's, and the bytes of its memory operand where nothing else tells. */
interface Direct {
  readonly instruction: assembler.Instruction
  readonly size: number
}
/** What has no counterpart in the assembler. */
type Special = (e: Encoder, operands: readonly Operand[]) => void

const SPECIAL: Readonly<Record<string, Special>> = {
  label: (e, [at]) => void e.a.bind(e.label((at as Label).id)),
  align: (e) => e.a.align(32),
  vzero: (e, [to]) => e.zero(to as View),
}

/** Names that differ from the assembler's: forms the machine IR tells apart. */
const NAMES: Readonly<Record<string, readonly [name: string, size: number]>> = {
  imul2: ['imul', 0],
  movzx8: ['movzx', 1],
  mov32: ['mov', 4],
  fld32: ['fld', 4],
  fld64: ['fld', 8],
  fstp32: ['fstp', 4],
  fstp64: ['fstp', 8],
}

const file = (count: number, make: (n: number) => assembler.Register): assembler.Register[] =>
  Array.from({ length: count }, (_, n) => make(n))

/** Registers by class, by how many bits of one are meant, and by number. */
const REGISTERS: Readonly<Record<RegClass, Partial<Record<number, assembler.Register[]>>>> = {
  gp: { 8: file(16, gp8), 16: file(16, gp16), 32: file(16, gp32), 64: file(16, gp64) },
  vector: { 128: file(32, xmm), 256: file(32, ymm), 512: file(32, zmm) },
  mask: { 64: file(8, k) },
}

/** The real register of a number, as wide as it is looked at. */
export function registerOf(cls: RegClass, number: number, bits: View['bits']) {
  const found = REGISTERS[cls][bits]?.[number]
  if (found === undefined) throw new Error(`no ${cls} register ${number} of ${bits} bits`)
  return found
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
    private readonly convention: Convention,
  ) {}

  run(): Uint8Array {
    const { a, code } = this
    const saved = this.used('gp', this.convention.general)
    const vectors = this.used('vector', this.convention.vector)
    for (const n of saved) a.push(gp64(n))
    // The frame is aligned to cache lines; at its end are the caller's vectors, and what rsp was.
    const bytes = code.frameBytes + 16 * vectors.length
    const frame = bytes === 0 ? 0 : (bytes + 8 + 63) & ~63
    const placeOf = (i: number) => assembler.mem({ base: rsp, disp: frame - 24 - 16 * i })
    if (frame > 0) {
      a.mov(rax, rsp)
      a.sub(rsp, frame)
      a.and(rsp, -64)
      a.mov(assembler.mem({ base: rsp, disp: frame - 8 }), rax)
    }
    for (const [i, n] of vectors.entries()) a.vmovups(placeOf(i), xmm(n))
    const { instructions } = code
    for (let at = 0; at < instructions.length; at++) this.one(instructions[at]!)
    for (const [i, n] of vectors.entries()) a.vmovups(xmm(n), placeOf(i))
    if (frame > 0) a.mov(rsp, assembler.mem({ base: rsp, disp: frame - 8 }))
    for (const n of saved.reverse()) a.pop(gp64(n))
    a.vzeroupper()
    a.ret()
    const pool = code.poolBytes()
    if (pool.length > 0) {
      a.align(64)
      a.bind(this.pool)
      a.db(pool)
    }
    return a.finish()
  }

  /** Which of some real registers the code has given out. */
  private used(cls: RegClass, numbers: readonly number[]): number[] {
    if (numbers.length === 0) return []
    const given = new Uint8Array(32)
    const { registers } = this.code
    for (let id = 0; id < registers.length; id++) {
      const n = this.homes[id]!
      if (n >= 0 && registers[id]!.cls === cls) given[n] = 1
    }
    return numbers.filter((n) => given[n] === 1)
  }

  private one(i: Instruction): void {
    const { a } = this
    const { operands } = i
    const rule = ruleOf(i.operation)
    if (typeof rule === 'function') {
      rule(this, operands)
      return
    }
    if (i.operation.copies && i.isCopy() && this.number(i.writes[0]!) === this.number(i.reads[0]!))
      return
    const translated: assembler.Operand[] = new Array(operands.length)
    for (let at = 0; at < operands.length; at++) {
      translated[at] = this.operand(operands[at]!, rule.size)
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
        return registerOf(o.reg.cls, this.number(o.reg), o.bits)
    }
  }

  private memory({ base, index, indexBits, scale, disp, spread }: Mem, size: number) {
    const broadcast = spread > 0
    const at = index && registerOf(index.cls, this.number(index), indexBits ?? 64)
    if (base.kind === 'register') {
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
}

/** The bytes of finished machine code. */
export const encode = (code: Code, homes: Int8Array, convention: Convention): Uint8Array =>
  new Encoder(code, homes, convention).run()
