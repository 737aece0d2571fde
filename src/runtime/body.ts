// Functions of the user's as bodies: run once on parameters, with all they read from outside made inputs.

import { TraceError } from '../base/errors.js'
import { Body } from '../ir/body.js'
import { stopGradient } from '../ir/build.js'
import { carriesFloats, lastNodeId, Node, type TensorType, topological } from '../ir/node.js'
import { parameter } from '../ir/primitives/source.js'
import { expandGradients } from '../transforms/gradof.js'
import { modes, withGrad } from './modes.js'
import { Trace } from './trace.js'
import { Draw } from './value.js'

/** A function recorded: its body takes the values it shares with the outside, then its own parameters. */
export interface RecordedBody {
  readonly body: Body
  /** What the function reads from outside, in the order of the body's first inputs. */
  readonly shared: readonly Node[]
}

/**
 * Runs `fn` on parameters of the given types and records what it computes. What does not depend on the
 * parameters is left outside and shared, so it is computed once.
 *
 * @throws TraceError where `fn` reads values, assigns variables or draws random numbers.
 */
export function recordBody(
  where: string,
  types: readonly TensorType[],
  fn: (parameters: readonly Node[]) => readonly Node[],
): RecordedBody {
  const start = lastNodeId()
  const parameters = types.map(({ shape, dtype }) => {
    const node = parameter(shape, dtype)
    // Gradients are recorded all the way; which of them flow is decided where the body is used.
    node.needsGrad = carriesFloats(node)
    return node
  })
  const results = inTrace(where, () => fn(parameters))
  const own = new Set(parameters)
  const isOutside = (n: Node): boolean =>
    !own.has(n) && (n.id <= start || n.value !== null || n.op.name === 'param')
  const graph = expandGradients(results, (n) => own.has(n) || isOutside(n))
  for (const n of topological(graph, isOutside)) {
    if (n.id > start && n.value instanceof Draw) refuse(where, 'random numbers that are drawn')
  }
  return close(graph, parameters, isOutside)
}

function refuse(where: string, received: string): never {
  const expected =
    'a function that computes with tensors alone (what else it needs can be a sequence or a carry)'
  throw new TraceError(where, expected, `${received} inside of it`)
}

/** Runs `fn` in a trace of its own, which gives the one around it what it learns. */
function inTrace<T>(where: string, fn: () => T): T {
  const outer = modes.trace
  const trace = new Trace(false, true)
  modes.trace = trace
  try {
    return withGrad(true, fn)
  } finally {
    modes.trace = outer
    const assigned = trace.assigned.size > 0
    for (const state of trace.assigned.values()) state.restore()
    trace.restoreGradients()
    outer?.guards.push(...trace.guards)
    if (assigned) refuse(where, 'variables that are assigned')
  }
}

/** The body of a graph: with parameters in the place of what comes from outside. */
function close(
  results: readonly Node[],
  parameters: readonly Node[],
  isOutside: (n: Node) => boolean,
): RecordedBody {
  const varying = new Set(parameters)
  /** Below which there is something from outside, so that it cannot be a part of the body as it is. */
  const fromOutside = new Set<Node>()
  const order = topological(results, isOutside)
  for (const n of order) {
    if (n.inputs.some((x) => varying.has(x)) && !isOutside(n)) varying.add(n)
    else if (!varying.has(n) && (isOutside(n) || n.inputs.some((x) => fromOutside.has(x)))) {
      fromOutside.add(n)
    }
  }
  const inside = new Map<Node, Node>(parameters.map((p) => [p, p]))
  const shared: { readonly outside: Node; readonly inside: Node }[] = []
  const share = (n: Node): Node => {
    let known = inside.get(n)
    if (known !== undefined) return known
    // A small array made large is made large in each step: that is what loops do anyway.
    if (n.op.name === 'broadcast' && !isOutside(n)) known = copied(n)
    else {
      known = parameter(n.shape, n.dtype)
      known.needsGrad = n.needsGrad
      shared.push({ outside: n, inside: known })
    }
    inside.set(n, known)
    return known
  }
  const place = (n: Node): Node => (fromOutside.has(n) ? share(n) : (inside.get(n) ?? n))
  const copied = (n: Node): Node => {
    const blocked = !n.needsGrad && carriesFloats(n)
    const inputs = n.inputs.map((x) => (blocked && x.needsGrad ? stopGradient(place(x)) : place(x)))
    const copy = new Node(n.op, inputs, n.attrs, n.shape, n.dtype, n.outputs)
    copy.site = n.site
    copy.needsGrad = n.needsGrad
    return copy
  }
  for (const n of order) if (varying.has(n) && !inside.has(n)) inside.set(n, copied(n))
  const outputs = results.map(place)
  return {
    body: new Body([...shared.map((s) => s.inside), ...parameters], outputs),
    shared: shared.map((s) => s.outside),
  }
}
