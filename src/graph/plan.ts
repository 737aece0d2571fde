// From fetches and feeds to a program: what is needed, with sizes filled in, built for the device.

import type { Executable } from '../backends/device.js'
import { dimSymbols } from '../base/dim.js'
import { isStatic, type StaticShape } from '../base/shape.js'
import { type Node, topological } from '../ir/node.js'
import { parameter } from '../ir/primitives/source.js'
import type { Program } from '../ir/program.js'
import { shapeOf } from '../ir/sizes.js'
import { buildProgram } from '../runtime/build.js'
import { instantiate } from '../runtime/instantiate.js'
import { Role } from '../runtime/key.js'
import { Draw, type LeafValue } from '../runtime/value.js'
import { substituteSizes } from '../transforms/substitute.js'
import { inOrder, updatesBelow } from './effects.js'
import { type Feed, feedSizes, missingFeed } from './feed.js'
import type { FetchLeaf } from './fetch.js'
import type { Graph } from './graph.js'
import { Operation } from './operation.js'
import type { GraphTensor } from './tensor.js'
import type { GraphVariable } from './variable.js'

/** Where an input of a plan comes from when it runs. */
export type Source =
  | { readonly kind: 'feed'; readonly index: number }
  | { readonly kind: 'variable'; readonly variable: GraphVariable }
  /** A random draw, counted from the first of the run. */
  | { readonly kind: 'draw'; readonly index: number }
  | { readonly kind: 'value'; readonly value: LeafValue }

/** As `Source`, before it is known what the program really uses. */
type Origin =
  | Source
  | { readonly kind: 'drawn'; readonly id: number }
  | { readonly kind: 'missing'; readonly placeholder: GraphTensor }

/** A program that was built for some fetches and feeds. */
export interface Plan {
  readonly executable: Executable
  readonly sources: readonly Source[]
  /** For each fetch the output that answers it; -1 for an operation. */
  readonly answers: readonly number[]
  /** Shapes of outputs: first of fetched tensors, then of the variables assigned. */
  readonly shapes: readonly StaticShape[]
  readonly assigned: readonly GraphVariable[]
  /** Random draws of a run. */
  readonly draws: number
}

/**
 * Plans what the fetches need, given the feeds. Throws `FeedError` for what is missing or does not fit.
 *
 * @param hasTarget whether there is an array for a variable's next value
 */
export function buildPlan(
  graph: Graph,
  fetches: readonly FetchLeaf[],
  feeds: readonly Feed[],
  hasTarget: (variable: GraphVariable) => boolean,
): Plan {
  const fed = new Map(feeds.map((feed, index) => [feed.tensor.node, { feed, index }]))
  const isFed = (node: Node): boolean => fed.has(node)
  const fetched = [...new Set(fetches.flatMap((f) => (f instanceof Operation ? [] : [f.node])))]
  const updates = updatesBelow(graph, fetches, isFed)
  const { roots: written, assigned } = inOrder(fetched, updates, isFed)

  const isEnd = (node: Node): boolean => isFed(node) || node.value !== null
  const needed = topological(written, isEnd)
  for (const node of needed) {
    const placeholder = graph.placeholders.get(node)
    if (placeholder !== undefined && !isFed(node)) throw missingFeed(placeholder)
  }

  // Gradients pass through a fed tensor to what it was made from: that stays until they are expanded.
  const differentiates = needed.some((node) => node.op.name === 'gradOf')
  const isDeep = (node: Node): boolean =>
    differentiates && isFed(node) && node.value === null && node.inputs.length > 0
  const now = substituteSizes(written, feedSizes(feeds), (node) => {
    if (!isEnd(node) || isDeep(node)) return null
    const known = fed.get(node)
    return known === undefined ? node : parameter(known.feed.shape, node.dtype)
  })
  for (const node of needed) checkKnown(graph, now(node))

  const origins = new Map<Node, Origin>()
  const roles = new Map<Node, Role>()
  for (const node of topological(written, (x) => isEnd(x) && !isDeep(x))) {
    const origin = originOf(graph, node, fed.get(node)?.index)
    if (origin === null) continue
    origins.set(now(node), origin)
    roles.set(now(node), isDeep(node) ? Role.BoundWithInputs : Role.Bound)
  }
  const roots = written.map(now)
  const { program, used } = programOf(roots, roles, origins)
  const sources = settled(used)
  return {
    executable: buildProgram(program, (output) => {
      const variable = assigned[output - fetched.length]
      return variable !== undefined && hasTarget(variable)
    }),
    sources,
    answers: fetches.map((f) => (f instanceof Operation ? -1 : fetched.indexOf(f.node))),
    shapes: roots.map(shapeOf),
    assigned,
    draws: sources.filter((s) => s.kind === 'draw').length,
  }
}

/** Where a node's value comes from; `null` if it is computed. */
function originOf(graph: Graph, node: Node, feed: number | undefined): Origin | null {
  if (feed !== undefined) return { kind: 'feed', index: feed }
  const variable = graph.variableOf.get(node)
  if (variable !== undefined) return { kind: 'variable', variable }
  if (node.value instanceof Draw) return { kind: 'drawn', id: node.id }
  if (node.value !== null) return { kind: 'value', value: node.value as LeafValue }
  const placeholder = graph.placeholders.get(node)
  return placeholder === undefined ? null : { kind: 'missing', placeholder }
}

/** A size that feeds leave open belongs to a placeholder that is used for its shape alone. */
function checkKnown(graph: Graph, { shape }: Node): void {
  if (isStatic(shape)) return
  const open = new Set<string>()
  for (const d of shape) dimSymbols(d, open)
  for (const placeholder of graph.placeholders.values()) {
    const symbols = new Set<string>()
    for (const d of placeholder.shape) dimSymbols(d, symbols)
    if ([...open].some((s) => symbols.has(s))) throw missingFeed(placeholder)
  }
}

/** The program, with no inputs but those it uses, and where these come from. */
function programOf(
  roots: readonly Node[],
  roles: ReadonlyMap<Node, Role>,
  origins: ReadonlyMap<Node, Origin>,
): { readonly program: Program; readonly used: readonly Origin[] } {
  const order = topological(roots, (node) => roles.get(node) === Role.Bound)
  const all = instantiate(
    order,
    order.map((node) => roles.get(node) ?? Role.Computed),
    roots,
  )
  const reached = new Set(topological(all.outputs))
  const given = order.filter((node) => roles.has(node))
  const used = given.filter((_, i) => reached.has(all.inputs[i] as Node))
  return {
    program: { inputs: all.inputs.filter((x) => reached.has(x)), outputs: all.outputs },
    used: used.map((node) => origins.get(node) as Origin),
  }
}

/** Numbers the draws in the order in which they were recorded: eager code would draw in that order. */
function settled(origins: readonly Origin[]): Source[] {
  const ids = origins.flatMap((o) => (o.kind === 'drawn' ? [o.id] : [])).sort((a, b) => a - b)
  return origins.map((origin) => {
    if (origin.kind === 'missing') throw missingFeed(origin.placeholder)
    return origin.kind === 'drawn' ? { kind: 'draw', index: ids.indexOf(origin.id) } : origin
  })
}
