// The compiler: from a graph of primitives to a plan of kernels.

import type { Node } from '../ir/node.js'
import type { Program } from '../ir/program.js'
import { shapeOf } from '../ir/sizes.js'
import { expandComposites, isExpanded } from '../transforms/expand.js'
import { chain } from './chain.js'
import { type FuseOptions, fuse } from './fuse/fuse.js'
import type { BufferRef } from './kernel/assembly.js'
import type { Command, Fault, Plan, PlanBuffer, Target } from './kernel/ir.js'
import { doSame, Firsts } from './kernel/same.js'
import { scratchLayout } from './kernel/scratch.js'
import { Buffers } from './lower/buffers.js'
import { homeOf, lowerGroups } from './lower/lower.js'
import { hasKernel } from './lower/single.js'
import { bytesOf, planMemory } from './memory.js'
import { settle } from './scan/settle.js'
import { type Scheduled, schedule } from './schedule.js'
import { callsOf, type Step } from './steps.js'

/** Compiles a program whose shapes are all known for a target. */
export function compileProgram(program: Program, target: Target, options: FuseOptions = {}): Plan {
  const given = program.outputs
  const keep = (node: Node): boolean => !options.separate && hasKernel(node)
  const expanded = isExpanded(given) ? given : expandComposites(given, undefined, keep)
  const outputs = settle(expanded)
  const fusion = fuse(outputs, target, options)
  const buffers = new Buffers()
  const faults: Fault[] = []
  const steps = withEqualKernels(lowerGroups(fusion, buffers, target, faults))
  const order = schedule(chain(steps, target))
  return new PlanBuilder(program, buffers).build(
    order,
    outputs.map((o) => homeOf(o, fusion)),
    faults,
  )
}

/** Steps whose kernels are one object where they are one function of one name: who asks about it, asks once. */
function withEqualKernels(steps: readonly Step[]): Step[] {
  const firsts = new Firsts((a, b) => a.name === b.name && doSame(a, b))
  return steps.map((step) => {
    if (step.op === 'host') return step
    const { kernel, args } = step.call
    return { op: 'kernel', call: { kernel: firsts.of(kernel), args } }
  })
}

class PlanBuilder {
  private readonly planBuffers: PlanBuffer[] = []
  private readonly indexOf = new Map<number, number>()
  private readonly commands: Command[] = []

  constructor(
    private readonly program: Program,
    private readonly buffers: Buffers,
  ) {}

  private add(buffer: PlanBuffer, ref: BufferRef | null): number {
    const index = this.planBuffers.push(buffer) - 1
    if (ref !== null) this.indexOf.set(ref.id, index)
    return index
  }

  build(order: readonly Scheduled[], outputs: readonly Node[], faults: readonly Fault[]): Plan {
    this.program.inputs.forEach((node, index) => {
      const ref = this.buffers.of(node)
      this.add({ kind: 'input', index, bytes: bytesOf(ref) }, ref)
    })
    const copies = this.bindOutputs(outputs)
    const memory = planMemory(order, (ref) => !this.indexOf.has(ref.id))
    for (const [id, offset] of memory.offsets) {
      const ref = this.buffers.all[id] as BufferRef
      this.add({ kind: 'arena', offset, bytes: bytesOf(ref) }, ref)
    }
    let round = 0
    for (const s of order) {
      if (s.round !== round) {
        this.commands.push({ op: 'barrier' })
        round = s.round
      }
      this.command(s)
    }
    if (copies.length > 0) this.commands.push({ op: 'barrier' }, ...copies)
    return {
      buffers: this.planBuffers,
      commands: this.commands,
      arenaBytes: memory.bytes,
      scratchBytes: this.commands.reduce((most, c) => Math.max(most, scratchOf(c)), 0),
      faults,
      parameters: this.program.inputs,
    }
  }

  /** Results are computed in place where nothing else claims their buffer, and copied otherwise. */
  private bindOutputs(outputs: readonly Node[]): Command[] {
    const copies: Command[] = []
    outputs.forEach((home, index) => {
      const ref = this.buffers.of(home)
      const bytes = bytesOf(ref)
      const known = this.indexOf.get(ref.id)
      const to = this.add({ kind: 'output', index, bytes }, known === undefined ? ref : null)
      if (known !== undefined && bytes > 0) copies.push({ op: 'copy', from: known, to, bytes })
    })
    return copies
  }

  private command({ step }: Scheduled): void {
    const place = (ref: BufferRef): number => this.indexOf.get(ref.id) as number
    if (step.op !== 'host') {
      for (const [i, { kernel, args }] of callsOf(step).entries()) {
        if (step.op === 'chain' && i > 0) this.commands.push({ op: 'barrier', pieces: step.pieces })
        this.commands.push({ op: 'kernel', kernel, args: args.map(place) })
      }
      return
    }
    const { node } = step
    const io = (ref: BufferRef, of: Node) => ({
      buffer: place(ref),
      shape: shapeOf(of),
      dtype: of.dtype,
    })
    const inputs = step.inputs.map((ref, i) => io(ref, node.inputs[i] as Node))
    this.commands.push({
      op: 'host',
      call: { ...step.call, inputs, outputs: step.outputs.map((o) => io(o.ref, o.node)) },
    })
  }
}

/** Scratch memory a command's kernel needs. */
const scratchOf = (c: Command): number => (c.op === 'kernel' ? scratchLayout(c.kernel).bytes : 0)
