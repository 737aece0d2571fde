// Which locals hold the kernel's registers: one for a scalar, one or two v128 for four lanes.

import type { Reg, RegType, Stmt } from '../../../compiler/kernel/ir.js'
import type { Liveness } from '../../../compiler/kernel/liveness.js'
import { operandsOf, resultOf, walk } from '../../../compiler/kernel/walk.js'
import type { FunctionBody } from '../encode/function.js'
import type { OpName, ValueType } from '../encode/opcodes.js'
import { halvesOf, isWhole, type Lanes, type Mask, PART } from './state.js'

const SCALAR_TYPE: Record<RegType, ValueType> = {
  f32: 'f32',
  f64: 'f64',
  i32: 'i32',
  i64: 'i64',
  bool: 'i32',
}

const SPLAT: Record<Exclude<RegType, 'bool'>, OpName> = {
  f32: 'f32x4.splat',
  f64: 'f64x2.splat',
  i32: 'i32x4.splat',
  i64: 'i64x2.splat',
}

interface Home {
  readonly reg: Reg
  /** `uniform`: one v128 serves all lanes. `lanes`: `halves` of them a part. */
  readonly kind: 'scalar' | 'uniform' | 'lanes'
  readonly locals: (number | undefined)[]
  /** The mask in force when it was first assigned. */
  readonly mask: Mask | null
}

export class Registers {
  private readonly homes = new Map<number, Home>()
  /** v128 copies of outer scalars, while a vector loop is open. */
  private splats = new Map<number, number>()

  constructor(
    private readonly f: FunctionBody,
    private readonly liveness: Liveness,
    private readonly varying: ReadonlySet<number>,
    private readonly constants: ReadonlyMap<number, number | bigint>,
    private readonly relaxed: boolean,
  ) {}

  // ---- Scalars ----

  pushScalar(r: Reg): void {
    this.f.get(this.scalarOf(r))
  }

  private scalarOf(r: Reg): number {
    const local = this.homes.get(r.id)?.locals[0]
    if (local === undefined) throw new Error(`register ${r.id} is used before it is set`)
    return local
  }

  /** Pops the stack into a scalar register. */
  setScalar(r: Reg): void {
    let home = this.homes.get(r.id)
    if (!home) {
      home = { reg: r, kind: 'scalar', locals: [this.f.local(SCALAR_TYPE[r.type])], mask: null }
      this.homes.set(r.id, home)
    }
    if (home.kind !== 'scalar') throw new Error(`register ${r.id} changes from lanes to a scalar`)
    this.f.set(home.locals[0]!)
  }

  // ---- Lanes ----

  /** Whether one computation serves all lanes. */
  isUniform(r: Reg): boolean {
    return r.lanes === 0 && !this.varying.has(r.id)
  }

  /** Pushes the v128 that holds (half of) a part of a register. */
  push(r: Reg, part: number, half = 0): void {
    const home = this.homes.get(r.id)
    const splat = this.splats.get(r.id)
    if (splat !== undefined) {
      this.f.get(splat)
      return
    }
    if (!home || home.kind === 'scalar') {
      throw new Error(`register ${r.id} is used before it is set`)
    }
    const index = home.kind === 'uniform' ? 0 : part * halvesOf(r.type) + half
    const local = home.locals[index]
    if (local === undefined) throw new Error(`part ${part} of register ${r.id} is not set`)
    this.f.get(local)
  }

  /**
   * Assigns (half of) a part: `value` pushes a v128. Lanes that the mask leaves out keep their value
   * if the register had one before the mask.
   */
  assign(r: Reg, part: number, half: number, lanes: Lanes | null, value: () => void): void {
    let home = this.homes.get(r.id)
    if (!home) {
      const kind = this.isUniform(r) ? 'uniform' : 'lanes'
      home = { reg: r, kind, locals: [], mask: lanes?.mask ?? null }
      this.homes.set(r.id, home)
    }
    const index = home.kind === 'uniform' ? 0 : part * halvesOf(r.type) + half
    const known = home.locals[index]
    const local = known ?? this.f.local('v128')
    home.locals[index] = local
    value()
    const mask = lanes?.mask ?? null
    if (known !== undefined && mask !== null && home.mask !== mask && !isWhole(mask, part)) {
      this.f.get(known)
      this.pushMask(mask, part, half, halvesOf(r.type))
      this.selectLanes()
    }
    this.f.set(local)
  }

  /** Pushes a mask in the lane width of a type with `halves`. */
  pushMask(mask: Mask, part: number, half: number, halves: number): void {
    this.f.get(mask.locals[part]!)
    if (halves === 2) this.widenMask(half)
  }

  /** A mask of four 32-bit lanes to that of two 64-bit lanes. */
  widenMask(half: number): void {
    const local = this.f.local('v128')
    this.f.tee(local)
    this.f.get(local)
    this.f.shuffle32(half === 0 ? [0, 0, 1, 1] : [2, 2, 3, 3])
    this.f.release('v128', local)
  }

  /** Pops a, b and a mask of whole lanes: a where the mask is set, else b. */
  selectLanes(): void {
    this.f.op(this.relaxed ? 'i32x4.relaxed_laneselect' : 'v128.bitselect')
  }

  // ---- Life and death ----

  /** Copies the outer scalars a vector loop reads to all lanes. */
  openVector(body: readonly Stmt[]): void {
    walk(body, (s) => {
      for (const r of operandsOf(s)) {
        if (this.splats.has(r.id) || this.homes.get(r.id)?.kind !== 'scalar') continue
        const local = this.f.local('v128')
        this.splatScalar(r)
        this.f.set(local)
        this.splats.set(r.id, local)
      }
    })
  }

  closeVector(): void {
    for (const local of this.splats.values()) this.f.release('v128', local)
    this.splats = new Map()
  }

  /** Pushes a scalar register's value in all lanes. */
  splatScalar(r: Reg): void {
    const constant = this.constants.get(r.id)
    if (constant !== undefined) {
      this.pushConstant(r.type, constant)
      return
    }
    this.pushScalar(r)
    if (r.type === 'bool') {
      this.f.i32(0)
      this.f.op('i32.ne')
      this.f.op('i32x4.splat')
      this.f.op('i32x4.neg')
    } else {
      this.f.op(SPLAT[r.type])
    }
  }

  /** Pushes a v128 with a constant in all lanes. */
  pushConstant(type: RegType, value: number | bigint): void {
    this.f.v128(constantBytes(type, value))
  }

  /** Gives back locals of registers a statement was the last to touch, after emitting it for a part. */
  settle(s: Stmt, lanes: Lanes | null, part: number): void {
    const position = this.liveness.positions.get(s)
    const dst = resultOf(s)
    for (const r of operandsOf(s)) this.releaseAt(r, position, lanes, part)
    if (dst) this.releaseAt(dst, position, lanes, part)
  }

  /** Gives back what lives until a loop's or guard's end. */
  settleEnd(s: Stmt): void {
    const end = this.liveness.ends.get(s)
    for (const home of [...this.homes.values()]) {
      if (this.liveness.registers.get(home.reg.id)?.end === end) this.releaseHome(home)
    }
  }

  private releaseAt(r: Reg, position: number | undefined, lanes: Lanes | null, part: number): void {
    const home = this.homes.get(r.id)
    if (!home || this.liveness.registers.get(r.id)?.end !== position) return
    if (lanes && home.kind === 'lanes' && r.lanes === 0) {
      const halves = halvesOf(r.type)
      for (let i = part * halves; i < (part + 1) * halves; i++) {
        const local = home.locals[i]
        if (local !== undefined) this.f.release('v128', local)
        home.locals[i] = undefined
      }
      if (home.locals.every((l) => l === undefined)) this.homes.delete(r.id)
    } else if (!lanes || part === lanes.parts.at(-1)) {
      this.releaseHome(home)
    }
  }

  private releaseHome(home: Home): void {
    const type = home.kind === 'scalar' ? SCALAR_TYPE[home.reg.type] : 'v128'
    for (const local of home.locals) if (local !== undefined) this.f.release(type, local)
    this.homes.delete(home.reg.id)
  }

  /** Sets all lanes of an accumulator that outlives the rounds of a vector loop. */
  fill(r: Reg, push: () => void): void {
    for (let i = 0; i < (r.lanes / PART) * halvesOf(r.type); i++) {
      this.assign(r, Math.floor(i / halvesOf(r.type)), i % halvesOf(r.type), null, push)
    }
  }
}

/** The 16 bytes of a v128 with a constant in all lanes. */
function constantBytes(type: RegType, value: number | bigint): Uint8Array {
  switch (type) {
    case 'f32':
      return new Uint8Array(new Float32Array(4).fill(Number(value)).buffer)
    case 'f64':
      return new Uint8Array(new Float64Array(2).fill(Number(value)).buffer)
    case 'i32':
      return new Uint8Array(new Int32Array(4).fill(Number(value)).buffer)
    case 'i64':
      return new Uint8Array(new BigInt64Array(2).fill(BigInt(value)).buffer)
    case 'bool':
      return new Uint8Array(16).fill(value ? 0xff : 0)
  }
}
