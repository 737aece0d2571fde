// Plan keys: a graph written as integers, so that equal graphs find the plan built for the first.

import type { Dim } from '../base/dim.js'
import { DTYPES, type DType } from '../base/dtype.js'
import { TraceError } from '../base/errors.js'
import type { Body } from '../ir/body.js'
import { type Node, topological } from '../ir/node.js'
import type { AttrKind, Attrs, Op } from '../ir/op.js'

/**
 * A growing list of integers, used again for every key. `finish` gives the part in use with its hash;
 * equality of keys is always decided on all of it.
 */
class KeyWriter {
  words = new Int32Array(4096)
  length = 0

  push(word: number): void {
    if (this.length === this.words.length) {
      const grown = new Int32Array(this.words.length * 2)
      grown.set(this.words)
      this.words = grown
    }
    this.words[this.length++] = word
  }

  hash(): number {
    let h = 0x811c9dc5
    const { words, length } = this
    for (let i = 0; i < length; i++) {
      h = Math.imul(h ^ (words[i] as number), 0x01000193)
      h ^= h >>> 15
    }
    return h
  }

  equals(key: Int32Array): boolean {
    const { words, length } = this
    if (key.length !== length) return false
    for (let i = 0; i < length; i++) if (key[i] !== words[i]) return false
    return true
  }
}

const names = new Map<string, number>()
/** A small integer for a string. Attribute names and enumerations are few, so it never shrinks. */
function internName(name: string): number {
  let id = names.get(name)
  if (id === undefined) {
    id = names.size
    names.set(name, id)
  }
  return id
}

const double = new Float64Array(1)
const halves = new Int32Array(double.buffer)

function pushNumber(w: KeyWriter, value: number): void {
  double[0] = value
  w.push(halves[0] as number)
  w.push(halves[1] as number)
}

function pushDims(w: KeyWriter, dims: readonly Dim[]): void {
  w.push(dims.length)
  for (let i = 0; i < dims.length; i++) {
    const d = dims[i] as Dim
    if (typeof d !== 'number') {
      throw new TraceError('run', 'shapes whose sizes are known when a graph runs', `the size ${d}`)
    }
    w.push(d)
  }
}

/** How each kind of attribute is written. */
const WRITERS: { readonly [K in AttrKind]: (w: KeyWriter, value: never) => void } = {
  number: (w, v: number) => pushNumber(w, v),
  int: (w, v: number) => w.push(v),
  flag: (w, v: boolean) => w.push(v ? 1 : 0),
  name: (w, v: string) => w.push(internName(v)),
  dtype: (w, v: DType) => w.push(DTYPES[v].id),
  ints: (w, v: readonly number[]) => {
    w.push(v.length)
    for (let i = 0; i < v.length; i++) w.push(v[i] as number)
  },
  dims: (w, v: readonly Dim[]) => pushDims(w, v),
  names: (w, v: readonly string[]) => {
    w.push(v.length)
    for (const s of v) w.push(internName(s))
  },
  body: (w, v: Body) => {
    for (const word of wordsOf(v)) w.push(word)
  },
}

const bodyWords = new WeakMap<Body, Int32Array>()

/** A body as integers, all of it: bodies that are written alike are alike, whoever made them. */
function wordsOf(body: Body): Int32Array {
  let words = bodyWords.get(body)
  if (words === undefined) {
    const w = new KeyWriter()
    const order = topological([...body.inputs, ...body.outputs])
    const numbers = new Map(order.map((node, i) => [node, i]))
    const numberOf = (node: Node): number => numbers.get(node)!
    for (const node of order) {
      writeComputed(w, node, node.op.name === 'param' ? Role.Bound : Role.Computed, numberOf)
    }
    for (const list of [body.inputs, body.outputs]) {
      w.push(list.length)
      for (const node of list) w.push(numberOf(node))
    }
    words = Int32Array.of(w.length, ...w.words.subarray(0, w.length))
    bodyWords.set(body, words)
  }
  return words
}

type AttrWriter = readonly [name: string, write: (w: KeyWriter, value: never) => void]
const attrWriters: (readonly AttrWriter[])[] = []

function writersOf(op: Op): readonly AttrWriter[] {
  let list = attrWriters[op.id]
  if (list === undefined) {
    list = Object.entries(op.attrs).map(
      ([name, kind]) => [name, WRITERS[kind as AttrKind]] as const,
    )
    attrWriters[op.id] = list
  }
  return list
}

/** What the flush has decided about a node; part of the key. */
export enum Role {
  /** Computed from its inputs. */
  Computed = 0,
  /** Bound from outside: a leaf, or a value that is there already. */
  Bound = 1,
  /** Bound, but its inputs are in the graph too, because a gradient passes through. */
  BoundWithInputs = 2,
}

export const writer = new KeyWriter()

/** Starts a key. */
export function beginKey(): void {
  writer.length = 0
}

const indexOf = (node: Node): number => node.index

export function writeNode(node: Node, role: Role): void {
  writeComputed(writer, node, role, indexOf)
}

function writeComputed(
  w: KeyWriter,
  node: Node,
  role: Role,
  numberOf: (node: Node) => number,
): void {
  w.push(node.op.id | (DTYPES[node.dtype].id << 12) | (role << 18) | (node.inputs.length << 20))
  if (role === Role.Bound) {
    pushDims(w, node.shape)
    return
  }
  if (node.needsGrad) w.push(-1)
  const { inputs } = node
  for (let i = 0; i < inputs.length; i++) w.push(numberOf(inputs[i] as Node))
  const list = writersOf(node.op)
  const attrs = node.attrs as Attrs
  for (let i = 0; i < list.length; i++) {
    const [name, write] = list[i] as AttrWriter
    write(w, attrs[name] as never)
  }
}

/** The results' node numbers end the key. */
export function writeRoots(roots: readonly Node[]): void {
  writer.push(roots.length)
  for (let i = 0; i < roots.length; i++) writer.push((roots[i] as Node).index)
}
