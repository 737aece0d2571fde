// Which machine registers hold the kernel's registers: one for a scalar, one for a value all lanes share,
// or one or two a part.

import type { Reg, RegType, Stmt } from '../../../compiler/kernel/ir.js'
import { operandsOf, walk } from '../../../compiler/kernel/walk.js'
import type { Isa } from './isa/isa.js'
import type { VReg } from './machine/code.js'
import { isWhole, type Lanes, type Mask, partSize } from './state.js'

interface Home {
  /** `uniform`: one register serves all lanes. `lanes`: `halves` of them a part. */
  readonly kind: 'scalar' | 'uniform' | 'lanes'
  readonly regs: (VReg | undefined)[]
  /** The mask in force when it was first assigned. */
  readonly mask: Mask | null
}

type Homes = ReadonlyMap<number, Home>

export class Registers {
  private homes = new Map<number, Home>()
  /** Copies of outer scalars in all lanes, while a vector loop is open. */
  private splats = new Map<number, VReg>()

  constructor(
    private readonly isa: Isa,
    private readonly varying: ReadonlySet<number>,
    private readonly constants: ReadonlyMap<number, number | bigint>,
  ) {}

  save(): Homes {
    return new Map([...this.homes].map(([id, h]) => [id, { ...h, regs: h.regs.slice() }]))
  }

  restore(homes: Homes): void {
    this.homes = new Map(homes)
  }

  /** Whether one computation serves all lanes. */
  isUniform(r: Reg): boolean {
    return r.lanes === 0 && !this.varying.has(r.id)
  }

  /** How many registers a value takes in each part. */
  halves(r: Reg, lanes: Lanes): number {
    return this.isUniform(r) ? 1 : this.isa.halves(r.type, lanes.size)
  }

  /** Which of a value's registers is (half of) a part. A round may take an accumulator's lanes several times. */
  private indexOf(r: Reg, part: number, half: number, { size }: Lanes): number {
    const own = r.lanes > 0 ? part % (r.lanes / size) : part
    return own * this.isa.halves(r.type, size) + half
  }

  /** The register that holds (half of) a part of a value. */
  get(r: Reg, part: number, half: number, lanes: Lanes): VReg {
    if (lanes.size > 1) {
      const splat = this.splats.get(r.id)
      if (splat) return splat
    }
    const home = this.homes.get(r.id)
    if (!home || (home.kind === 'scalar') !== (lanes.size === 1)) {
      throw new Error(`register ${r.id} is used before it is set`)
    }
    const index = home.kind === 'lanes' ? this.indexOf(r, part, half, lanes) : 0
    const reg = home.regs[index]
    if (!reg) throw new Error(`part ${part} of register ${r.id} is not set`)
    return reg
  }

  /**
   * Assigns (half of) a part: `value` writes a register, as its last step. Lanes that the mask leaves out
   * keep their value if the register had one before the mask.
   */
  assign(r: Reg, part: number, half: number, lanes: Lanes, value: (dst: VReg) => void): void {
    const { isa } = this
    const kind = lanes.size === 1 ? 'scalar' : this.isUniform(r) ? 'uniform' : 'lanes'
    let home = this.homes.get(r.id)
    if (!home) {
      home = { kind, regs: [], mask: lanes.mask }
      this.homes.set(r.id, home)
    }
    if (home.kind !== kind) throw new Error(`register ${r.id} changes from ${home.kind} to ${kind}`)
    const index = kind === 'lanes' ? this.indexOf(r, part, half, lanes) : 0
    const known = home.regs[index]
    if (known && home.mask !== lanes.mask && !isWhole(lanes, part)) {
      const fresh = isa.fresh(r.type)
      value(fresh)
      const condition = lanes.mask!.conditions[part]!
      const mask =
        r.type === 'bool' ? condition : isa.conditionFor(condition, r.type, lanes.size, half)
      isa.merge(known, mask, fresh, r.type, isa.width(r.type, lanes.size))
      return
    }
    const reg = known ?? isa.fresh(r.type)
    home.regs[index] = reg
    value(reg)
  }

  /** Sets all lanes of an accumulator that outlives the rounds of a vector loop. */
  fill(r: Reg, value: number | bigint): void {
    const { isa } = this
    const size = partSize(r.lanes, isa.lanes)
    const regs: VReg[] = []
    for (let i = 0; i < (r.lanes / size) * isa.halves(r.type, size); i++) {
      // Reassigned registers must not change places.
      const reg = this.homes.get(r.id)?.regs[i] ?? isa.fresh(r.type)
      this.setConstant(reg, r.type, value, size)
      regs.push(reg)
    }
    this.homes.set(r.id, { kind: 'lanes', regs, mask: null })
  }

  setConstant(dst: VReg, type: RegType, value: number | bigint, size: number): void {
    const { isa } = this
    if (type === 'bool') isa.conditionConstant(dst, value ? size : 0, size)
    else isa.loadConstant(dst, type, value, isa.width(type, size))
  }

  /** Copies the outer scalars a vector loop reads to all lanes. */
  openVector(body: readonly Stmt[], size: number): void {
    const { isa } = this
    walk(body, (s) => {
      const operands = operandsOf(s)
      for (let n = 0; n < operands.length; n++) {
        const r = operands[n]!
        const home = this.homes.get(r.id)
        if (home?.kind !== 'scalar' || this.splats.has(r.id)) continue
        const splat = isa.fresh(r.type)
        this.splats.set(r.id, splat)
        const constant = this.constants.get(r.id)
        if (constant !== undefined) this.setConstant(splat, r.type, constant, size)
        else if (r.type === 'bool') isa.splatCondition(splat, home.regs[0]!, size)
        else isa.splat(splat, home.regs[0]!, r.type, isa.width(r.type, size))
      }
    })
  }

  closeVector(): void {
    this.splats = new Map()
  }
}
