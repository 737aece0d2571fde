// Groups that are alike: where layers of a network repeat, so do their groups, in all but the values they
// read and make. One of them is lowered; the others take its kernels over, with buffers of their own.

import type { Node } from '../../ir/node.js'
import type { Group } from '../fuse/group.js'
import type { BufferRef, KernelCall } from '../kernel/assembly.js'
import type { Fault, Kernel } from '../kernel/ir.js'
import { constantBelow } from '../simplify/constants.js'
import { describe } from '../simplify/simplify.js'
import type { Buffers } from './buffers.js'

/** What a group does, as text, and the values that takes, in an order that the text gives away. */
export interface Outline {
  readonly text: string
  readonly values: ReadonlyMap<Node, number>
}

/** The outline of a group: groups with equal texts are lowered to equal kernels. */
export function outlineOf(group: Group, inMemory: (node: Node) => boolean): Outline {
  const { kind, domain, axes, block, members, stored } = group
  const values = new Map<Node, number>()
  let text = `${kind} ${domain} by ${axes} in ${block}`
  const visit = (node: Node): number => {
    const known = values.get(node)
    if (known !== undefined) return known
    let line = `${node.dtype} ${node.shape}`
    if (inMemory(node)) {
      const constant = constantBelow(node)
      line += ` read ${constant && describe(constant)}`
    } else {
      const inputs = node.inputs.map(visit)
      const level = members.get(node)
      line += ` ${describe(node)} ${inputs} ${level}${stored.has(node) ? ' stored' : ''}`
    }
    const number = values.size
    values.set(node, number)
    text += `\n${line}`
    return number
  }
  for (const m of members.keys()) {
    const number = visit(m)
    text += `\n:${number}`
  }
  return { text, values }
}

/** Where a kernel's argument comes from: a value of the group, or memory for its kernels alone. */
type Source = { readonly value: number } | { readonly temporary: number }

/** The kernels of a group, for any other that is like it. */
export class Pattern {
  constructor(
    private readonly calls: readonly { readonly kernel: Kernel; readonly args: Source[] }[],
    private readonly temporaries: readonly BufferRef[],
  ) {}

  /** The same kernels on the values of another group. */
  on({ values }: Outline, buffers: Buffers): KernelCall[] {
    const nodes = [...values.keys()]
    const own = this.temporaries.map((t) => buffers.make(t.name, t.type, t.length))
    return this.calls.map(({ kernel, args }) => ({
      kernel,
      args: args.map((a) => ('value' in a ? buffers.of(nodes[a.value]!) : own[a.temporary]!)),
    }))
  }
}

/** Notes what the lowering of a group asks for, to tell which of it is the group's own. */
export class Recorder {
  private readonly holds = new Map<BufferRef, Node>()
  private readonly temporaries: BufferRef[] = []
  /** Whether the kernels are for this group alone: faults name a place in the program, bodies have more. */
  private alone = false

  constructor(
    private readonly buffers: Buffers,
    private readonly codeOf: (node: Node, kind: Fault['kind']) => number,
  ) {}

  bufferOf(node: Node): BufferRef {
    const ref = this.buffers.of(node)
    this.holds.set(ref, node)
    return ref
  }

  temporary(...args: Parameters<Buffers['make']>): BufferRef {
    const ref = this.buffers.make(...args)
    this.temporaries.push(ref)
    return ref
  }

  fault(node: Node, kind: Fault['kind']): number {
    this.alone = true
    return this.codeOf(node, kind)
  }

  body<T>(lower: () => T): T {
    this.alone = true
    return lower()
  }

  /** What the group was lowered to, for others; null if it is for this group alone. */
  patternOf(calls: readonly KernelCall[], { values }: Outline): Pattern | null {
    if (this.alone) return null
    const sourceOf = (ref: BufferRef): Source => {
      const node = this.holds.get(ref)
      if (node === undefined) return { temporary: this.temporaries.indexOf(ref) }
      return { value: values.get(node)! }
    }
    return new Pattern(
      calls.map(({ kernel, args }) => ({ kernel, args: args.map(sourceOf) })),
      this.temporaries,
    )
  }
}
