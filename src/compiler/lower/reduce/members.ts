// The members of a reduce group where its loops stand: their places, and how passes compute, reduce, keep and
// store them.

import type { Node } from '../../../ir/node.js'
import { shapeOf } from '../../../ir/sizes.js'
import type { IndexSpace } from '../../coordinates/space.js'
import { Emitter } from '../../expressions/emitter.js'
import type { KernelAssembly } from '../../kernel/assembly.js'
import type { Affine, Reg } from '../../kernel/ir.js'
import type { GroupLowering } from '../lower.js'
import { isReduction, MemberCoords } from '../nest.js'
import type { Layout } from './layout.js'
import { neededIn, type Pass, reductionOf } from './passes.js'
import { Scratch } from './scratch.js'

export class Members {
  readonly e: Emitter
  /** For each axis, where the loops stand. */
  private index: readonly Affine[]
  private places: MemberCoords
  /** Coordinates of partial results, which have the block as their first axis. */
  private readonly partial = new Map<Node, readonly Affine[]>()
  private readonly scratch: Scratch
  /** Dear members that passes so far have left in scratch memory. */
  private readonly inScratch = new Set<Node>()

  constructor(
    readonly g: GroupLowering,
    readonly k: KernelAssembly,
    readonly space: IndexSpace,
    readonly layout: Layout,
    private readonly dear: readonly Node[],
  ) {
    this.index = layout.index
    this.places = new MemberCoords(space, layout.axes, layout.index)
    this.scratch = new Scratch(k, layout)
    this.e = new Emitter(k, space, {
      ...g.around,
      placeOf: (n) => {
        const level = g.group.members.get(n)
        return level === undefined ? null : this.coordsOf(n, level)
      },
    })
  }

  coordsOf(node: Node, level: 'full' | 'kept'): readonly Affine[] {
    const { places, layout } = this
    const shape = shapeOf(node)
    if (level === 'full' || node.op.name !== 'partialReduce') return places.of(shape, level)
    let coords = this.partial.get(node)
    if (coords === undefined) {
      coords = [layout.block, ...places.of(shape.slice(1), 'kept')]
      this.partial.set(node, coords)
    }
    return coords
  }

  /** Runs `body` with another index along an axis. */
  placed(axis: number, index: Affine, body: () => void): void {
    const before = { index: this.index, places: this.places }
    this.index = this.index.with(axis, index)
    this.places = new MemberCoords(this.space, this.layout.axes, this.index)
    body()
    this.index = before.index
    this.places = before.places
  }

  /** Runs `body` for all vectors of neighbours. */
  overVector(body: () => void, lanes = this.layout.vector?.lanes ?? 1): void {
    const { variable, count } = this.layout.vector as NonNullable<Layout['vector']>
    this.e.vector(variable, count, lanes, body)
  }

  /** What a pass does with one element (or one a lane): reduces it, stores it, keeps it for later. */
  element(pass: Pass, accumulators: readonly Reg[]): void {
    const { k, e, scratch, index } = this
    for (const m of this.neededIn(pass).full) {
      if (this.inScratch.has(m)) e.bind(m, this.coordsOf(m, 'full'), scratch.load(m, index))
    }
    pass.reductions.forEach((r, i) => {
      const x = r.inputs[0] as Node
      const acc = accumulators[i] as Reg
      k.update(acc, reductionOf(r).fn, acc, e.read(x, this.coordsOf(x, 'full')))
    })
    for (const m of pass.stores) this.store(m, 'full')
    for (const m of this.leftBy(pass)) {
      scratch.store(m, index, e.read(m, this.coordsOf(m, 'full')))
    }
  }

  /** Ends a pass: from now on what it left in scratch memory is there. */
  finish(pass: Pass): void {
    for (const m of this.leftBy(pass)) this.inScratch.add(m)
  }

  /** Members that a pass computes or loads. */
  neededIn(pass: Pass): { full: Set<Node>; kept: Set<Node> } {
    return neededIn(this.g, pass, this.inScratch)
  }

  /** Dear members a pass computes that are kept for later ones. */
  private leftBy(pass: Pass): Node[] {
    const { full } = this.neededIn(pass)
    return this.dear.filter((m) => full.has(m) && !this.inScratch.has(m) && this.scratch.fits(m))
  }

  /** Makes `total` the result of a reduction. */
  bindResult(r: Node, total: Reg): void {
    const { k, e } = this
    const wrapped = r.dtype === 'uint8' ? k.set('and', total, k.const('i32', 255)) : total
    e.bind(r, this.coordsOf(r, 'kept'), wrapped)
  }

  /** Computes what is kept of the results, and stores what is wanted of it. */
  keep(): void {
    const { e, g } = this
    for (const [m, level] of g.group.members) {
      if (level === 'kept' && !isReduction(m)) e.read(m, this.coordsOf(m, 'kept'))
    }
    for (const [m, level] of g.group.members) {
      if (level === 'kept' && g.group.stored.has(m)) this.store(m, 'kept')
    }
  }

  private store(m: Node, level: 'full' | 'kept'): void {
    const { e, g } = this
    const coords = this.coordsOf(m, level)
    e.store(g.refOf(m), m.dtype, e.address(shapeOf(m), coords), e.read(m, coords))
  }
}
