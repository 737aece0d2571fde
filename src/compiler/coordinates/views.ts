// Movement operations as maps of coordinates: where an element of a view comes from in its input.

import { stridesOf } from '../../base/shape.js'
import type { WindowAttrs } from '../../ir/build.js'
import type { Node } from '../../ir/node.js'
import { shapeOf } from '../../ir/sizes.js'
import { affine, coefficientOf, ofVar, plus, times, ZERO } from '../kernel/affine.js'
import type { Affine } from '../kernel/ir.js'
import { IndexSpace, reshapeCoords } from './space.js'

type CoordinateMap = (space: IndexSpace, node: Node, coords: readonly Affine[]) => Affine[]

const inputShape = (node: Node): readonly number[] => shapeOf(node.inputs[0] as Node)

/** Views: every element is one element of the (only) input. */
const VIEWS: Readonly<Record<string, CoordinateMap>> = {
  reshape: (space, node, coords) => reshapeCoords(space, coords, shapeOf(node), inputShape(node)),

  transpose: (_, node, coords) => {
    const out = new Array<Affine>(coords.length)
    const perm = node.attrs.perm as readonly number[]
    for (let i = 0; i < coords.length; i++) out[perm[i] as number] = coords[i] as Affine
    return out
  },

  broadcast: (_, node, coords) =>
    inputShape(node).map((size, i) => (size === 1 ? ZERO : (coords[i] as Affine))),

  slice: (_, node, coords) => {
    const { starts, steps } = node.attrs as { starts: readonly number[]; steps: readonly number[] }
    return coords.map((c, i) => plus(times(c, steps[i] as number), starts[i] as number))
  },

  reverse: (_, node, coords) => {
    const axes = node.attrs.axes as readonly number[]
    return coords.map((c, i) =>
      axes.includes(i) ? plus(affine((shapeOf(node)[i] as number) - 1), times(c, -1)) : c,
    )
  },

  unfold: (_, node, coords) => {
    const { size, strides, dilation } = node.attrs as WindowAttrs
    const lead = coords.length - 2 * size.length
    const windows = size.map((_, a) => {
      const position = times(coords[lead + a] as Affine, strides[a] as number)
      const within = times(coords[lead + size.length + a] as Affine, dilation[a] as number)
      return plus(position, within)
    })
    return [...coords.slice(0, lead), ...windows]
  },

  stopGradient: (_, __, coords) => coords as Affine[],
}

const views: ReadonlyMap<string, CoordinateMap> = new Map(Object.entries(VIEWS))

export const isView = (node: Node): boolean => views.has(node.op.name)

/** Coordinates in a view's input of the element at `coords` of the view. */
export function viewCoords(
  space: IndexSpace,
  view: Node,
  coords: readonly Affine[],
): readonly Affine[] {
  return views.get(view.op.name)!(space, view, coords)
}

/** A view of memory in which every axis moves by a fixed stride. */
export interface Strided {
  /** The node in memory below. */
  readonly home: Node
  readonly offset: number
  readonly strides: readonly number[]
}

/** How a view steps through the memory below it, or null where that takes more than strides. */
export function stridesOfView(view: Node, inMemory: (node: Node) => boolean): Strided | null {
  const space = new IndexSpace()
  const variables = shapeOf(view).map((n, i) => space.variable(`v${i}`, n))
  let coords: readonly Affine[] = variables.map((v, i) =>
    shapeOf(view)[i] === 1 ? ZERO : ofVar(v),
  )
  let node = view
  while (!inMemory(node)) {
    if (!isView(node)) return null
    coords = viewCoords(space, node, coords)
    node = node.inputs[0] as Node
  }
  const address = space.linear(coords, stridesOf(shapeOf(node)))
  if (address.terms.some((t) => space.digitOf(t.variable) !== undefined)) return null
  const strides = variables.map((v) => coefficientOf(address, v))
  return { home: node, offset: address.constant, strides }
}
