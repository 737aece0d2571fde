// From groups to kernel calls: what every lowering of a group needs, and which lowering a group gets.

import { DTYPES } from '../../base/dtype.js'
import { sizeOf } from '../../base/shape.js'
import type { Body } from '../../ir/body.js'
import type { Node, TensorType } from '../../ir/node.js'
import { bytesOf, elementsOf, shapeOf } from '../../ir/sizes.js'
import { laneCost } from '../costs.js'
import type { Surroundings } from '../expressions/emitter.js'
import { type Fusion, fuse, isBefore } from '../fuse/fuse.js'
import type { Group } from '../fuse/group.js'
import type { BufferRef, KernelCall, LoweringContext } from '../kernel/assembly.js'
import type { Fault, HostCall, Target } from '../kernel/ir.js'
import { kindOf } from '../kinds.js'
import type { Step } from '../steps.js'
import { outlineOf, type Pattern, Recorder } from './alike.js'
import type { Buffers } from './buffers.js'
import { lowerContraction } from './contraction.js'
import { type LoweredBody, lowerLoop } from './loop.js'
import { lowerMap } from './map.js'
import type { Traced } from './nest.js'
import { lowerReduce } from './reduce/reduce.js'
import { lowerSingle } from './single.js'

/** Everything a lowering may ask about its group. */
export interface GroupLowering {
  readonly group: Group
  readonly name: string
  readonly target: Target
  readonly around: Surroundings
  readonly traced: Traced
  readonly context: LoweringContext
  /** The buffer of a stored member. */
  refOf(node: Node): BufferRef
  /** Additions, roughly, for one element of the domain. */
  readonly costPerElement: number
  /** Bytes the kernel reads and writes. */
  readonly bytes: number
  /** The buffer that holds an operand of the group's single node. */
  operand(i: number): BufferRef
  /** Lowers a body that is part of the group, with buffers of its own. */
  lowerBody(body: Body, buffers: Buffers): LoweredBody
}

const LOWERINGS: Readonly<
  Record<Exclude<Group['kind'], 'host'>, (g: GroupLowering) => KernelCall[]>
> = {
  map: lowerMap,
  reduce: lowerReduce,
  contract: lowerContraction,
  single: lowerSingle,
  loop: lowerLoop,
}

export function lowerGroups(
  fusion: Fusion,
  buffers: Buffers,
  target: Target,
  faults: Fault[],
  /** The loop whose body this is, if it is one. */
  loop: Node | null = null,
): Step[] {
  const codes = new Map<Node, number>()
  const fault = (node: Node, kind: Fault['kind']): number => {
    let code = codes.get(node)
    if (code === undefined) {
      code = faults.push(faultOf(node, kind, loop))
      codes.set(node, code)
    }
    return code
  }
  /** What groups were lowered to, by their outlines. */
  const patterns = new Map<string, Pattern>()
  const steps: Step[] = []
  for (const group of fusion.groups) {
    if (group.kind === 'host') {
      steps.push(hostStep(group, fusion, buffers))
      continue
    }
    const inMemory = (n: Node): boolean => {
      const home = fusion.groupOf.get(n)
      if (home === undefined) return n.op.name === 'param'
      return isBefore(home, group) && home.stored.has(n)
    }
    const outline = outlineOf(group, inMemory)
    let calls = patterns.get(outline.text)?.on(outline, buffers)
    if (calls === undefined) {
      const asked = new Recorder(buffers, fault)
      const lower = (body: Body, own: Buffers) =>
        lowerBody(body, own, target, faults, loop ?? group.anchor)
      calls = lowerGroup(group, { fusion, target, inMemory, asked, lower })
      const pattern = asked.patternOf(calls, outline)
      if (pattern !== null) patterns.set(outline.text, pattern)
    }
    for (const call of calls) steps.push({ op: 'kernel', call })
  }
  return steps
}

/** What a group is lowered in the midst of. */
interface Midst {
  readonly fusion: Fusion
  readonly target: Target
  inMemory(node: Node): boolean
  readonly asked: Recorder
  lower(body: Body, buffers: Buffers): LoweredBody
}

function lowerGroup(group: Group, { fusion, target, inMemory, asked, lower }: Midst): KernelCall[] {
  let cost = 0
  for (const m of group.members.keys()) cost += laneCost(m)
  let bytes = 0
  for (const n of [...group.reads, ...group.stored]) {
    bytes += bytesOf(n)
  }
  return LOWERINGS[group.kind as keyof typeof LOWERINGS]({
    group,
    name: nameOf(group),
    target,
    around: {
      memoryOf: (n) => (inMemory(n) ? asked.bufferOf(n) : null),
      fault: (node, kind) => asked.fault(node, kind),
    },
    traced: { members: group.members, inMemory },
    context: { target, temporary: (...args) => asked.temporary(...args) },
    refOf: (n) => asked.bufferOf(n),
    costPerElement: cost,
    bytes,
    operand: (i) => asked.bufferOf(homeOf((group.anchor as Node).inputs[i] as Node, fusion)),
    lowerBody: (body, own) => asked.body(() => lower(body, own)),
  })
}

/** What people see of a kernel: its operations in order, each once, and its domain. */
function nameOf(group: Group): string {
  const names = new Set<string>()
  for (const m of group.members.keys()) names.add(m.op.name)
  const list = [...names]
  const shown = list.length > 6 ? [...list.slice(0, 5), `${list.length - 5} more`] : list
  return `${shown.join('+')} [${group.domain}]`
}

function faultOf(node: Node, kind: Fault['kind'], loop: Node | null): Fault {
  const call = node.attrs.call as string | undefined
  const where = { kind, op: call ?? node.op.name, site: node.site }
  if (kind === 'divide') return { ...where, expected: 'a divisor other than zero', received: '0' }
  const axis = (node.attrs.axis as number | undefined) ?? 0
  const size = shapeOf(node.inputs[0] as Node)[axis] as number
  return {
    ...where,
    expected: `an index in [0, ${size}) on axis ${axis}`,
    received: 'an index outside it',
    search: { node: loop ?? (node.inputs[1] as Node), size },
  }
}

/** The kernels of a body, in order. (What the host has to evaluate is no part of a kernel.) */
function lowerBody(
  body: Body,
  buffers: Buffers,
  target: Target,
  faults: Fault[],
  loop: Node | null,
): LoweredBody {
  // What all steps share is computed once, before the loop: not by the products of every step.
  const fusion = fuse(body.outputs, target, { prologues: false })
  const calls = lowerGroups(fusion, buffers, target, faults, loop).map((step) => {
    if (step.op === 'host') throw new Error(`${step.call.name} has no kernel`)
    return step.call
  })
  return { calls, results: body.outputs.map((out) => buffers.of(homeOf(out, fusion))) }
}

function hostStep(group: Group, fusion: Fusion, buffers: Buffers): Step {
  const node = group.anchor as Node
  const { op, attrs } = node
  const { evaluate } = op
  if (evaluate === undefined) throw new Error(`${op.name} (${kindOf(node)}) cannot be evaluated`)
  const inputs = node.inputs.map((x) => buffers.of(homeOf(x, fusion)))
  const types = node.inputs.map((x) => ({ shape: shapeOf(x), dtype: x.dtype }))
  const wanted = node.outputs === null ? [node] : [...group.stored].filter((m) => m !== node)
  const run: HostCall['run'] = (views, targets) => {
    const arrays = views.map((v, i) => {
      const type = types[i] as (typeof types)[number]
      return { ...type, data: typed(type.dtype, v, sizeOf(type.shape)) }
    })
    const allocate = (type: TensorType) => ({
      shape: shapeOf(type),
      dtype: type.dtype,
      data: new DTYPES[type.dtype].array(elementsOf(type)),
    })
    const results = evaluate(arrays, attrs, node.outputs ?? [node], { allocate })
    wanted.forEach((value, i) => {
      const result = results[node.outputs === null ? 0 : (value.attrs.index as number)]
      const out = typed(value.dtype, targets[i] as ArrayBufferView, elementsOf(value))
      ;(out as Float32Array).set((result as { data: unknown }).data as Float32Array)
    })
  }
  const outputs = wanted.map((m) => ({ node: m, ref: buffers.of(m) }))
  return { op: 'host', node, call: { name: op.name, run }, inputs, outputs }
}

/** The elements of a view on the plan's memory. */
function typed(dtype: keyof typeof DTYPES, view: ArrayBufferView, length: number) {
  return new DTYPES[dtype].array(view.buffer as ArrayBuffer, view.byteOffset, length)
}

/** The node whose buffer holds a value: the value itself, or what it is another shape of. */
export function homeOf(node: Node, fusion: Fusion): Node {
  let n = node
  while (n.op.name === 'reshape' && !fusion.groupOf.has(n)) n = n.inputs[0] as Node
  return n
}
