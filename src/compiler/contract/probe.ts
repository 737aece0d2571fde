// What a reader or writer touches: learnt by letting it write its statements into a kernel that nobody
// runs. Tilings decide by it which axes may be treated as one and along which axis memory is contiguous,
// for plain memory and for fused expressions alike.

import { coefficientOf, indexVar, ofVar } from '../kernel/affine.js'
import { KernelAssembly } from '../kernel/assembly.js'
import type { Affine, IndexVar, Reg, Stmt } from '../kernel/ir.js'
import { affinesOf, walk } from '../kernel/walk.js'

export class Probe {
  readonly coords: readonly IndexVar[]
  private readonly statements: Stmt[] = []
  private readonly result: Reg | null

  constructor(rank: number, emit: (k: KernelAssembly, coords: readonly Affine[]) => Reg | null) {
    this.coords = Array.from({ length: rank }, (_, i) => indexVar(`p${i}`))
    const k = new KernelAssembly('probe')
    this.result = emit(
      k,
      this.coords.map((v) => ofVar(v)),
    )
    walk(k.finish().body, (s) => this.statements.push(s))
  }

  /** Whether an element is one load and nothing else. */
  get plain(): boolean {
    const [only] = this.statements
    return this.statements.length === 1 && only?.op === 'load' && only.dst === this.result
  }

  /** Whether places of elements are sums of coordinates, without quotients and remainders. */
  get strided(): boolean {
    return this.statements.every((s) => s.op !== 'divide' && s.op !== 'modulo')
  }

  /** Elements between neighbours along coordinate i; null where several buffers disagree. */
  stride(i: number): number | null {
    const found = new Set<number>()
    for (const s of this.statements) {
      if (s.op !== 'load' && s.op !== 'store') continue
      found.add(coefficientOf(s.at, this.coords[i]!))
    }
    // What is the same for all neighbours (a bias) does not matter beside what is not.
    if (found.size > 1) found.delete(0)
    return found.size === 1 ? [...found][0]! : null
  }

  /**
   * Whether coordinates `outer` and `inner`, the latter below `size`, count as one: everything depends
   * on `size · c[outer] + c[inner]` alone, so passing 0 and that sum gives the same.
   */
  merges(outer: number, inner: number, size: number): boolean {
    const [o, i] = [this.coords[outer]!, this.coords[inner]!]
    return this.statements.every((s) =>
      affinesOf(s).every((a) => coefficientOf(a, o) === size * coefficientOf(a, i)),
    )
  }
}
