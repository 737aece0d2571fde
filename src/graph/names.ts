// Names of operations: unique in their graph, grouped by scopes, with types as TensorFlow calls them.

import { ValueError } from '../base/errors.js'

/** What a name may look like; scopes are separated by slashes. */
const VALID = /^[A-Za-z0-9.][A-Za-z0-9_.\\/-]*$/

/** Hands out names, each once: the second `add` is `add_1`. */
export class Names {
  private readonly counts = new Map<string, number>()
  private readonly used = new Set<string>()
  private scope = ''
  /** Scopes that no operation is named after yet. */
  private readonly scopes = new Set<string>()

  /**
   * A name in the current scope that no other operation has. `scope/`, with the slash that `within` gives
   * it, is the name of the scope itself, for one operation; `/a/b` is counted from outside of all scopes.
   */
  unique(base: string): string {
    if (base.startsWith('/')) return this.claim(base.slice(1))
    if (this.scopes.delete(base)) return base.slice(0, -1)
    if (!VALID.test(base)) {
      throw new ValueError('name', 'letters, digits and . _ - / in a name', JSON.stringify(base))
    }
    return this.claim(this.scope + base)
  }

  /** Frees a name that was given automatically and is replaced by a chosen one. */
  release(name: string): void {
    this.used.delete(name)
    const [, base, number] = /^(.*?)(?:_(\d+))?$/.exec(name) as RegExpExecArray
    const last = number === undefined ? 0 : Number(number)
    if (this.counts.get(base as string) === last + 1) this.counts.set(base as string, last)
  }

  /** Runs `fn` with names prefixed by `name/`; a scope entered again is another scope, `name_1/`. */
  within<T>(name: string, fn: (scope: string) => T): T {
    const before = this.scope
    this.scope = `${this.unique(name)}/`
    this.scopes.add(this.scope)
    try {
      return fn(this.scope)
    } finally {
      this.scope = before
    }
  }

  private claim(base: string): string {
    let count = this.counts.get(base) ?? 0
    let name = count === 0 ? base : `${base}_${count}`
    while (this.used.has(name)) name = `${base}_${++count}`
    this.counts.set(base, count + 1)
    this.used.add(name)
    return name
  }
}

/** TensorFlow's type for a method of `Tensor` or an operation of the IR, where it is not just its name. */
const TYPES: Readonly<Record<string, string>> = {
  all: 'All',
  any: 'Any',
  argmax: 'ArgMax',
  argmin: 'ArgMin',
  at: 'StridedSlice',
  broadcastTo: 'BroadcastTo',
  clamp: 'ClipByValue',
  concat: 'ConcatV2',
  conv: 'Conv2D',
  conv2d: 'Conv2D',
  crossEntropy: 'SparseSoftmaxCrossEntropyWithLogits',
  cumsum: 'Cumsum',
  detach: 'StopGradient',
  div: 'RealDiv',
  dot: 'MatMul',
  eq: 'Equal',
  expand: 'BroadcastTo',
  expandDims: 'ExpandDims',
  flatten: 'Reshape',
  floorDivide: 'FloorDiv',
  gather: 'GatherV2',
  ge: 'GreaterEqual',
  gradOf: 'Gradients',
  gt: 'Greater',
  iota: 'Range',
  isFinite: 'IsFinite',
  isInf: 'IsInf',
  isNaN: 'IsNan',
  le: 'LessEqual',
  linear: 'MatMul',
  lt: 'Less',
  matmul: 'MatMul',
  mm: 'MatMul',
  bmm: 'BatchMatMulV2',
  ne: 'NotEqual',
  neg: 'Neg',
  pad: 'PadV2',
  permute: 'Transpose',
  reduceMax: 'Max',
  reduceMin: 'Min',
  reduceProd: 'Prod',
  reduceSum: 'Sum',
  remainder: 'FloorMod',
  round: 'Rint',
  fmod: 'TruncateMod',
  stack: 'Pack',
  T: 'Transpose',
  topk: 'TopKV2',
  unbind: 'Unpack',
  unsqueeze: 'ExpandDims',
  view: 'Reshape',
  where: 'Select',
}

/** The type of an operation made by a method, or of an IR operation, of this name. */
export const typeOf = (name: string): string =>
  TYPES[name] ?? name.charAt(0).toUpperCase() + name.slice(1)
