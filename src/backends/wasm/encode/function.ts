// One WebAssembly function in the making: its locals, which are reused, and its code.

import { ByteWriter } from './bytes.js'
import {
  LANE_MEMORY_OPCODES,
  LANE_OPCODES,
  type LaneMemoryOp,
  type LaneOp,
  MEMORY_OPCODES,
  type MemoryOp,
  OPCODES,
  type OpName,
  SPECIAL,
  VALUE_TYPES,
  type ValueType,
} from './opcodes.js'

export interface Signature {
  readonly parameters: readonly ValueType[]
  readonly results: readonly ValueType[]
}

const VOID = 0x40

export class FunctionBody {
  private readonly code = new ByteWriter()
  private readonly locals: ValueType[] = []
  private readonly unused = new Map<ValueType, number[]>()

  constructor(readonly signature: Signature) {}

  /** The function's entry in the code section, without its length. */
  finish(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter()
    const runs: [ValueType, number][] = []
    for (const type of this.locals) {
      const last = runs.at(-1)
      if (last?.[0] === type) last[1]++
      else runs.push([type, 1])
    }
    out.unsigned(runs.length)
    for (const [type, count] of runs) {
      out.unsigned(count)
      out.byte(VALUE_TYPES[type])
    }
    out.append(this.code)
    out.byte(SPECIAL.end)
    return out.finish()
  }

  // ---- Locals ----

  /** A local nobody else uses until it is given back. */
  local(type: ValueType): number {
    const reused = this.unused.get(type)?.pop()
    if (reused !== undefined) return reused
    this.locals.push(type)
    return this.signature.parameters.length + this.locals.length - 1
  }

  release(type: ValueType, local: number): void {
    const list = this.unused.get(type)
    if (list) list.push(local)
    else this.unused.set(type, [local])
  }

  get(local: number): void {
    this.code.byte(SPECIAL.localGet)
    this.code.unsigned(local)
  }

  set(local: number): void {
    this.code.byte(SPECIAL.localSet)
    this.code.unsigned(local)
  }

  tee(local: number): void {
    this.code.byte(SPECIAL.localTee)
    this.code.unsigned(local)
  }

  // ---- Instructions ----

  private opcode(code: number): void {
    if (code < 0x100) {
      this.code.byte(code)
    } else {
      this.code.byte(code >>> 16)
      this.code.unsigned(code & 0xffff)
    }
  }

  op(name: OpName): void {
    this.opcode(OPCODES[name])
  }

  memory(name: MemoryOp, offset: number): void {
    const [code, align] = MEMORY_OPCODES[name]
    this.opcode(code)
    this.code.unsigned(align)
    this.code.unsigned(offset)
  }

  laneMemory(name: LaneMemoryOp, offset: number, lane: number): void {
    const [code, align] = LANE_MEMORY_OPCODES[name]
    this.opcode(code)
    this.code.unsigned(align)
    this.code.unsigned(offset)
    this.code.byte(lane)
  }

  lane(name: LaneOp, lane: number): void {
    this.opcode(LANE_OPCODES[name])
    this.code.byte(lane)
  }

  /** 16 byte numbers, 0-15 of the first operand and 16-31 of the second. */
  shuffle(bytes: readonly number[]): void {
    this.opcode(SPECIAL.shuffle)
    this.code.bytes(bytes)
  }

  /** A shuffle of 32-bit lanes: numbers 0-3 of the first operand and 4-7 of the second. */
  shuffle32(lanes: readonly [number, number, number, number]): void {
    this.opcode(SPECIAL.shuffle)
    for (const l of lanes) for (let i = 4 * l; i < 4 * l + 4; i++) this.code.byte(i)
  }

  i32(value: number): void {
    this.code.byte(SPECIAL.i32Const)
    this.code.signed(value)
  }

  i64(value: bigint): void {
    this.code.byte(SPECIAL.i64Const)
    this.code.signed64(value)
  }

  f32(value: number): void {
    this.code.byte(SPECIAL.f32Const)
    this.code.float32(value)
  }

  f64(value: number): void {
    this.code.byte(SPECIAL.f64Const)
    this.code.float64(value)
  }

  v128(bytes: Uint8Array): void {
    this.opcode(SPECIAL.v128Const)
    this.code.bytes(bytes)
  }

  i32x4(lanes: readonly [number, number, number, number]): void {
    this.v128(new Uint8Array(new Int32Array(lanes).buffer))
  }

  /** Adds a constant to the i32 on the stack. */
  addConstant(value: number): void {
    if (value === 0) return
    this.i32(value)
    this.op('i32.add')
  }

  // ---- Structure. Callbacks fill what is inside; depths count from the innermost structure. ----

  block(body: () => void): void {
    this.structure(SPECIAL.block, body)
  }

  loop(body: () => void): void {
    this.structure(SPECIAL.loop, body)
  }

  /** Pops the condition. */
  if(body: () => void, otherwise?: () => void): void {
    this.code.byte(SPECIAL.if)
    this.code.byte(VOID)
    body()
    if (otherwise) {
      this.code.byte(SPECIAL.else)
      otherwise()
    }
    this.code.byte(SPECIAL.end)
  }

  private structure(code: number, body: () => void): void {
    this.code.byte(code)
    this.code.byte(VOID)
    body()
    this.code.byte(SPECIAL.end)
  }

  branch(depth: number): void {
    this.code.byte(SPECIAL.br)
    this.code.unsigned(depth)
  }

  branchIf(depth: number): void {
    this.code.byte(SPECIAL.br_if)
    this.code.unsigned(depth)
  }

  /** Pops a number n and branches to the n-th depth, or to the last if there are not so many. */
  branchTable(depths: readonly number[]): void {
    this.code.byte(SPECIAL.br_table)
    this.code.unsigned(depths.length - 1)
    for (const d of depths) this.code.unsigned(d)
  }

  call(index: number): void {
    this.code.byte(SPECIAL.call)
    this.code.unsigned(index)
  }

  /** Pops destination, source and length. */
  memoryCopy(): void {
    this.opcode(SPECIAL.memoryCopy)
    this.code.byte(0)
    this.code.byte(0)
  }
}
