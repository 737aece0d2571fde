// The gradient of a scan: another scan, in the other direction, over what the first one leaves behind.
//
// The body's own gradient needs values from the same step of the forward body. Those become results
// of the forward scan, stacked, and sequences of the backward one. (That makes a second forward scan with
// the same parameters and more results; compilers see that it is the first one's and run it once.)
//
// A value that is shared by all steps gets a contribution from each. Where a contribution is a product
// or a sum of arrays, adding up over steps is left until after the loop: Σₜ aₜᵀ·bₜ is one product of
// the stacked a and b, with time as one more contracted axis. Else it is carried along.

import { isFloat } from '../../base/dtype.js'
import { Body } from '../body.js'
import * as b from '../build.js'
import { apply, Node, topological } from '../node.js'
import type { VjpArgs } from '../op.js'
import { parameter } from './source.js'

/** Linear operations of one operand: the sum of the results is the result for the sum. */
const LINEAR: ReadonlySet<string> = new Set([
  'reshape',
  'transpose',
  'broadcast',
  'slice',
  'reverse',
  'neg',
])

/** Views that are cheap to make again from an operand that is no larger than they are. */
const REPEATED: ReadonlySet<string> = new Set(['reshape', 'transpose', 'broadcast'])

/** A value of the outer graph, for when the backward scan has been made. */
type Later = () => Node

const later = (axes: readonly number[]): number[] => axes.map((i) => i + 1)

class Backward {
  private readonly body: Body
  private readonly first: number
  /** Nodes of the forward body, and those among them that differ from step to step. */
  private readonly forward: ReadonlySet<Node>
  private readonly varying = new Set<Node>()
  /** Nodes of the backward graph in terms of the backward body's parameters. */
  private readonly lowered = new Map<Node, Node>()
  // The backward scan's inputs, each a parameter of its body and a value of the outer graph …
  private readonly shared: { readonly inside: Node; readonly outside: Node }[] = []
  private readonly carries: { readonly inside: Node; readonly outside: Node; next: Node }[] = []
  private readonly sequences: { readonly inside: Node; readonly outside: Later }[] = []
  /** … and results of its body that are stacked. */
  private readonly stacked: Node[] = []
  /** Values of forward steps that were not results so far. */
  private readonly kept: Node[] = []
  private forwardScan: Node
  private backwardScan: Node | null = null

  constructor(private readonly args: VjpArgs<b.ScanAttrs>) {
    this.forwardScan = args.node
    this.body = args.attrs.body
    this.first = args.attrs.shared + args.attrs.carries
    const { inputs, outputs } = this.body
    this.forward = new Set(topological([...inputs, ...outputs]))
    const changing = new Set(inputs.slice(args.attrs.shared))
    for (const n of this.forward) {
      if (changing.has(n) || n.inputs.some((x) => this.varying.has(x))) this.varying.add(n)
    }
  }

  run(): (Node | null)[] {
    const { args, body, first } = this
    const { inputs, attrs, grads, needs } = args
    const { shared, carries } = attrs
    const seeds = new Map<number, Node>()
    body.outputs.forEach((out, i) => {
      const grad = grads[i] ?? null
      if (!isFloat(out.dtype) || (i >= carries && grad === null)) return
      const seed = parameter(out.shape, out.dtype)
      seeds.set(i, seed)
      this.varying.add(seed)
      this.lowered.set(seed, seed)
      if (i >= carries) this.sequences.push({ inside: seed, outside: () => grad as Node })
    })
    const wanted = body.inputs.filter(
      (x, i) => isFloat(x.dtype) && ((i >= shared && i < first) || needs(i)),
    )
    const found = args.reverse(
      [...seeds.keys()].map((i) => body.outputs[i] as Node),
      [...seeds.values()],
      new Set(wanted),
    )
    this.noteVarying([...found.values()])

    const results: (Later | null)[] = body.inputs.map((x, i) => {
      const grad = found.get(x)
      if (i >= shared && i < first) {
        const seed = seeds.get(i - shared)
        if (seed === undefined) return null
        const outside = grads[i - shared] ?? b.zerosLike(inputs[i] as Node)
        return this.carry(seed, outside, this.lower(grad ?? b.zerosLike(x)))
      }
      if (grad === undefined || !needs(i)) return null
      return i < shared ? this.total(grad) : this.stack(grad)
    })
    this.finish()
    return results.map((result) => result?.() ?? null)
  }

  /** Which nodes of the body's gradient differ from step to step. */
  private noteVarying(roots: readonly Node[]): void {
    for (const n of topological(roots, (x) => this.forward.has(x))) {
      if (!this.forward.has(n) && n.inputs.some((x) => this.varying.has(x))) this.varying.add(n)
    }
  }

  /** A state of the backward scan; answers with its last value. */
  private carry(inside: Node, outside: Node, next: Node): Later {
    const at = this.carries.push({ inside, outside, next }) - 1
    return () => b.output(this.backwardScan as Node, at)
  }

  /** A node of the body's gradient in terms of the backward body's parameters. */
  private lower(root: Node): Node {
    const done = (n: Node): boolean => this.lowered.has(n)
    for (const n of topological([root], (x) => done(x) || this.forward.has(x))) {
      if (done(n)) continue
      this.lowered.set(n, this.forward.has(n) ? this.fromForward(n) : this.copy(n))
    }
    return this.lowered.get(root) as Node
  }

  private copy(n: Node): Node {
    const inputs = n.inputs.map((x) => this.lower(x))
    if (inputs.every((x, i) => x === n.inputs[i])) return n
    const copy = new Node(n.op, inputs, n.attrs, n.shape, n.dtype, n.outputs)
    copy.site = n.site
    return copy
  }

  /** A value of the forward step: kept since then, unless it is the same in every step. */
  private fromForward(n: Node): Node {
    const at = this.body.inputs.indexOf(n)
    if (at >= 0 && at < this.args.attrs.shared) {
      const inside = parameter(n.shape, n.dtype)
      this.shared.push({ inside, outside: this.args.inputs[at] as Node })
      return inside
    }
    // What several results stand for is looked at through one of them.
    const several = n.outputs !== null
    const isVaried = this.varying.has(n)
    if (several || !isVaried || REPEATED.has(n.op.name)) return this.copy(n)
    const inside = parameter(n.shape, n.dtype)
    this.sequences.push({ inside, outside: this.past(n) })
    return inside
  }

  /** A value of the forward step, stacked over all steps. */
  private past(n: Node): Later {
    const { body, first, args } = this
    const at = body.inputs.indexOf(n)
    if (at >= first) return () => args.inputs[at] as Node
    const known = body.outputs.indexOf(n, args.attrs.carries)
    if (known >= 0) return () => b.output(this.forwardScan, known)
    let place = this.kept.indexOf(n)
    if (place < 0) place = this.kept.push(n) - 1
    return () => b.output(this.forwardScan, body.outputs.length + place)
  }

  /** A value of every step, forward or backward, stacked. */
  private stack(n: Node): Later {
    if (this.forward.has(n) && this.varying.has(n) && n.outputs === null) return this.past(n)
    const seed = this.sequences.find((s) => s.inside === n)
    if (seed !== undefined) return seed.outside
    const inside = this.lower(n)
    let at = this.stacked.indexOf(inside)
    if (at < 0) at = this.stacked.push(inside) - 1
    return () => b.output(this.backwardScan as Node, this.carries.length + at)
  }

  /** The sum over all steps of a contribution to a shared value. */
  private total(n: Node): Later {
    const x = n.inputs[0] as Node
    if (!this.forward.has(n) && this.varying.has(n)) {
      if (n.op.name === 'add') {
        const parts = n.inputs.map((part) => this.total(part))
        return () => b.add((parts[0] as Later)(), (parts[1] as Later)())
      }
      if (LINEAR.has(n.op.name)) {
        const sum = this.total(x)
        return () => apply(n.op, [sum()], n.attrs)
      }
      if (n.op.name === 'reduceSum') {
        const all = this.stack(x)
        return () => b.reduceSum(all(), [0, ...later(n.attrs.axes as readonly number[])])
      }
      const product = n.op.name === 'dot' && n.inputs.every((y) => this.varying.has(y))
      if (product) return this.totalProduct(n)
    }
    const sum = parameter(n.shape, n.dtype)
    return this.carry(sum, b.zerosLike(n), b.add(sum, this.lower(n)))
  }

  private totalProduct(n: Node): Later {
    const { leftBatch, rightBatch, leftContract, rightContract } = n.attrs as b.DotAttrs
    const [left, right] = n.inputs.map((x) => this.stack(x)) as [Later, Later]
    return () =>
      b.dot([left(), right()], {
        leftBatch: later(leftBatch),
        rightBatch: later(rightBatch),
        leftContract: [0, ...later(leftContract)],
        rightContract: [0, ...later(rightContract)],
      })
  }

  private finish(): void {
    const { args, body, kept, shared, carries, sequences, stacked } = this
    if (kept.length > 0) {
      const more = new Body(body.inputs, [...body.outputs, ...kept])
      this.forwardScan = b.scan(args.inputs, { ...args.attrs, body: more })
    }
    const inside = [...shared, ...carries, ...sequences].map((x) => x.inside)
    const outputs = [...carries.map((c) => c.next), ...stacked]
    this.backwardScan = b.scan(
      [...[...shared, ...carries].map((x) => x.outside), ...sequences.map((x) => x.outside())],
      {
        body: new Body(inside, outputs),
        shared: shared.length,
        carries: carries.length,
        length: args.attrs.length,
        reverse: !args.attrs.reverse,
      },
    )
  }
}

/** See the head of this file. */
export const scanGradient = (args: VjpArgs<b.ScanAttrs>): (Node | null)[] =>
  new Backward(args).run()
