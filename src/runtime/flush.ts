// The flush: pending nodes become a plan, the plan runs, and values land where they belong.

import type { Executable } from '../backends/device.js'
import { GradientError, TraceError } from '../base/errors.js'
import { type Node, nextTraversal } from '../ir/node.js'
import { bytesOf } from '../ir/sizes.js'
import type { GradOfAttrs } from '../transforms/gradof.js'
import { buildProgram } from './build.js'
import { PlanCache } from './cache.js'
import { currentDevice } from './devices.js'
import { instantiate } from './instantiate.js'
import { beginKey, Role, writeNode, writeRoots, writer } from './key.js'
import { modes } from './modes.js'
import { planFound, planMissed } from './sites.js'
import { deferResults } from './snapshot.js'
import { runUpdating, supplied } from './update.js'
import { type Binding, type Cell, CellRead, type LeafValue, resolve } from './value.js'

/** Values a user may look at and that are at most this large are kept by every flush. */
const KEEP_BYTES = 16 * 1024

/** Something whose contents change when a flush has run: a variable with an assignment pending. */
export interface Sink {
  readonly cell: Cell
  /** The value assigned, not yet computed (or already stored: then it is copied). */
  readonly pending: Node
  /** The flush has run (`done`), or it failed and the assignment is dropped. */
  settle(done: boolean): void
}

/** A `backward()` that has been recorded and not run. At most one is pending. */
export interface PendingBackward {
  readonly gradNode: Node
  /** The gradients it delivers, one node a leaf, accumulated ones included. */
  readonly results: () => readonly Node[]
  readonly retain: boolean
}

const sinks = new Set<Sink>()
let backward: PendingBackward | null = null

export const plans = new PlanCache(256)

/** How the cache of plans is doing: for tests, and for `tessera info`. */
export const planStatistics = (): {
  readonly size: number
  readonly capacity: number
  readonly hits: number
  readonly misses: number
} => ({ size: plans.size, capacity: plans.capacity, hits: plans.hits, misses: plans.misses })

export const addSink = (sink: Sink): void => void sinks.add(sink)
export const dropSink = (sink: Sink): void => void sinks.delete(sink)
export const pendingBackward = (): PendingBackward | null => backward
export function setPendingBackward(next: PendingBackward): void {
  backward = next
}

// ---- Collecting ------------------------------------------------------------------------------------

// Nodes in order, and their roles, from the start of lists that keep their length from flush to flush.
const order: Node[] = []
const roles: Role[] = []
let count = 0
/** How many of them are bound from outside. */
let bound = 0
const stack: Node[] = []
const next: number[] = []

/** A realized node is entered all the same where a gradient has to pass through it. */
function roleOf(node: Node, deep: boolean): Role {
  if (node.value === null) return Role.Computed
  return deep && node.needsGrad && node.inputs.length > 0 ? Role.BoundWithInputs : Role.Bound
}

/** Numbers the nodes below `root` that are not numbered yet. Answers whether a gradient is among them. */
function collect(root: Node, mark: number, deep: boolean): boolean {
  let differentiates = false
  if (root.mark === mark) return false
  let sp = 0
  root.mark = mark
  stack[0] = root
  next[0] = roleOf(root, deep) === Role.Bound ? root.inputs.length : 0
  while (sp >= 0) {
    const node = stack[sp] as Node
    const i = next[sp] as number
    if (i < node.inputs.length) {
      next[sp] = i + 1
      const input = node.inputs[i] as Node
      if (input.mark === mark) continue
      input.mark = mark
      sp++
      stack[sp] = input
      next[sp] = roleOf(input, deep) === Role.Bound ? input.inputs.length : 0
    } else {
      const role = roleOf(node, deep)
      node.index = count
      order[count] = node
      roles[count++] = role
      if (role !== Role.Computed) bound++
      else if (node.op.name === 'gradOf') differentiates = true
      sp--
    }
  }
  return differentiates
}

function collectAll(
  roots: readonly Node[],
  deep: boolean,
): { mark: number; differentiates: boolean } {
  count = 0
  bound = 0
  const mark = nextTraversal()
  let differentiates = false
  for (let i = 0; i < roots.length; i++) {
    if (collect(roots[i] as Node, mark, deep)) differentiates = true
  }
  return { mark, differentiates }
}

/** The nodes and roles as lists of their own length, for who goes over all of them. */
function collected(): { readonly order: readonly Node[]; readonly roles: readonly Role[] } {
  order.length = count
  roles.length = count
  return { order, roles }
}

/**
 * Adds to the outputs what is kept besides: small values the user may look at later, and outputs a module
 * call wants kept whatever their size. The outputs listed in `stored` are stored anyhow.
 */
function addKept(outputs: Node[], stored: readonly Node[]): void {
  const mark = nextTraversal()
  for (let i = 0; i < stored.length; i++) (stored[i] as Node).mark = mark
  for (let i = 0; i < count; i++) {
    const node = order[i] as Node
    if (!node.exposed || roles[i] !== Role.Computed || node.outputs !== null) continue
    if (node.mark === mark) continue
    if (node.kept || bytesOf(node) <= KEEP_BYTES || isComputedAgain(node)) outputs.push(node)
  }
}

/**
 * What is computed again and again is stored in the end, or a loop that builds on it would take longer
 * each time. A backward pass computes what a look at the loss has computed before, and that is all.
 */
const isComputedAgain = (node: Node): boolean => node.computed++ >= (node.needsGrad ? 2 : 1)

// ---- Running ---------------------------------------------------------------------------------------

/**
 * Computes `requested` nodes and every pending assignment, and stores what a flush keeps (see the
 * header of `tensor.ts` for the promise made to users). Nothing happens for nodes that have values.
 */
export function realize(requested: readonly Node[]): void {
  if (modes.trace !== null) {
    throw new TraceError(
      'compile',
      'a traced function that does not read values',
      'a read of a tensor inside the trace (return the tensor instead)',
    )
  }
  let pending = 0
  for (let i = 0; i < requested.length; i++) {
    const node = requested[i] as Node
    if (node.graph !== 0) {
      throw new TraceError(
        'data',
        'a tensor that has a value (run this one in a session: session.run(x))',
        'a tensor of a graph',
      )
    }
    if (node.value === null) pending++
  }
  if (pending === 0 && sinks.size === 0) return
  const all = pending === requested.length
  const wanted = all ? requested : requested.filter((node) => node.value === null)
  try {
    flush(wanted)
  } catch (error) {
    // What could not be computed may have nothing to do with the assignments: these are tried alone.
    if (wanted.length > 0 && (sinks.size > 0 || backward !== null)) settleAlone()
    else abandon()
    throw error
  }
}

/** Runs whatever is pending: assignments, and gradients that were asked for. */
export function flushPending(): void {
  // An optimizer's assignments use gradients up where they are computed: those need not be stored.
  if (sinks.size > 0) realize([])
  else if (backward !== null) realize(backward.results())
}

/** Runs the pending assignments and gradients without anything else, or drops them. */
function settleAlone(): void {
  try {
    flush([])
  } catch {
    abandon()
  }
}

/** After a failure: assignments are dropped, variables keep the values they had. */
function abandon(): void {
  const dropped = [...sinks]
  sinks.clear()
  backward = null
  for (const sink of dropped) sink.settle(false)
}

const NO_SINKS: readonly Sink[] = []
const NO_CELLS: readonly Cell[] = []

function flush(wanted: readonly Node[]): void {
  const settled = sinks.size === 0 ? NO_SINKS : [...sinks]
  const outputs = wanted.slice()
  for (const sink of settled) outputs.push(sink.pending)

  const before = backward
  let found = collectAll(outputs, before !== null)
  if (before === null && found.differentiates) {
    // A gradient that `grad(fn)` recorded: walk again, through values that are there already.
    found = collectAll(outputs, true)
  } else if (before !== null) {
    // A loss read before the step, or a parameter that is not stepped: run backward with forward now,
    // for the graph is used up afterwards.
    for (const node of before.results()) {
      if (node.value !== null || node.mark === found.mark) continue
      outputs.push(node)
      collect(node, found.mark, true)
    }
  }
  if (found.differentiates || before !== null) refuseUsedUp()
  addKept(outputs, wanted)

  const first = wanted.length
  const cells = settled === NO_SINKS ? NO_CELLS : settled.map((sink) => sink.cell)
  const executable = lookup(outputs, first, cells)
  const inputs: Binding[] = new Array(bound)
  for (let i = 0, n = 0; n < bound; i++) {
    if (roles[i] !== Role.Computed) inputs[n++] = resolve((order[i] as Node).value as LeafValue)
  }
  const stored = runUpdating(executable, inputs, outputs.length, first, cells)

  sinks.clear()
  for (let j = 0; j < outputs.length; j++) {
    const isSink = j >= first && j < first + settled.length
    if (!isSink) (outputs[j] as Node).value = stored[j]
  }
  for (const sink of settled) {
    const node = sink.pending
    if (node.value === null) node.value = new CellRead(sink.cell, sink.cell.version)
    sink.settle(true)
  }
  if (before !== null) {
    backward = null
    const unread = before.results().filter((node) => node.value === null)
    if (unread.length > 0) deferResults(unread, collected(), inputs, executable)
    if (!before.retain) spend(before.gradNode)
  }
  release()
}

/** The plan for what is collected; its outputs from `first` on are the next values of `cells`. */
function lookup(outputs: readonly Node[], first: number, cells: readonly Cell[]): Executable {
  beginKey()
  writer.push(currentDevice().key)
  for (let i = 0; i < count; i++) writeNode(order[i] as Node, roles[i] as Role)
  writeRoots(outputs)
  const hash = writer.hash()
  const known = plans.find(hash)
  if (known !== null) {
    planFound()
    return known
  }
  planMissed()
  const key = writer.words.slice(0, writer.length)
  const graph = collected()
  const program = instantiate(graph.order, graph.roles, outputs)
  const executable = buildProgram(program, supplied(first, cells))
  plans.insert(key, hash, executable)
  return executable
}

/** Nodes a backward pass went through are used up: they hold no graph any more. */
function spend(gradNode: Node): void {
  const root = gradNode.inputs[0] as Node
  const mark = nextTraversal()
  const todo: Node[] = [root]
  root.mark = mark
  while (todo.length > 0) {
    const node = todo.pop() as Node
    if (!node.needsGrad || node.source || node.inputs.length === 0) continue
    node.needsGrad = false
    node.spent = true
    for (const input of node.inputs) {
      if (input.mark === mark) continue
      input.mark = mark
      todo.push(input)
    }
  }
}

/** A gradient that was recorded, and whose graph another backward pass has used up since, is an error. */
function refuseUsedUp(): void {
  if (!collected().order.some((node) => node.spent)) return
  for (let i = 0; i < order.length; i++) {
    const node = order[i] as Node
    if (node.op.name !== 'gradOf' || roles[i] !== Role.Computed) continue
    const { roots } = node.attrs as GradOfAttrs
    const todo = new Set(node.inputs.slice(0, roots))
    for (const below of todo) {
      if (below.spent) {
        throw new GradientError(
          'backward',
          'gradients that are read before another backward pass goes through their graph',
          'a graph that was used up (pass { retainGraph: true } to that pass)',
        )
      }
      for (const input of below.inputs) if (input.spent || input.needsGrad) todo.add(input)
    }
  }
}

const needsGradient = (node: Node): boolean => node.needsGrad

/** A stored value drops what it was made from, unless a gradient may still need it. */
function release(): void {
  for (let i = 0; i < count; i++) {
    const node = order[i] as Node
    if (node.inputs.length > 0) {
      const passes = node.needsGrad && node.inputs.some(needsGradient)
      if (node.needsGrad && !passes && !node.source) {
        // What it was made from has been used up, and so is it.
        node.needsGrad = false
        node.spent = true
      }
      if (node.value !== null && !passes) node.release()
    }
    order[i] = undefined as never
  }
  for (let i = 0; i < stack.length && stack[i] !== undefined; i++) stack[i] = undefined as never
}
