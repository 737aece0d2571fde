// What a node's `value` can be: how the runtime finds a leaf's bytes when a plan runs.

import { Storage } from '../backends/storage.js'
import type { DType } from '../base/dtype.js'
import { StaleValueError, TraceError } from '../base/errors.js'
import type { StaticShape } from '../base/shape.js'
import type { Node } from '../ir/node.js'
import { parameter } from '../ir/primitives/source.js'

/** What can be bound to a parameter of a plan. */
export type Binding = Storage | number

/**
 * The state behind a variable. Updates write its two storages in turn, so the value before the last
 * update can still be read: that is how long an unevaluated tensor may look back.
 */
export class Cell {
  front: Storage
  back: Storage | null = null
  version = 0

  constructor(
    readonly shape: StaticShape,
    readonly dtype: DType,
    initial: Storage,
    public name: string,
  ) {
    this.front = initial
    this.front.pinned = true
  }

  /** The storage the next update may write. */
  target(): Storage {
    if (this.back === null) {
      this.back = new Storage(this.dtype, this.front.length, null)
      this.back.pinned = true
    }
    return this.back
  }

  /** Makes `written` the current value: usually `target()`, or a storage made instead of it. */
  advance(written: Storage): void {
    this.back = this.front
    this.front = written
    written.pinned = true
    written.version++
    this.version++
  }

  /** Gives `target()` up: an update that failed may have written part of it. */
  spoil(): void {
    if (this.back !== null) this.back.version++
    this.back = null
  }
}

/** The contents of a cell at one version. */
export class CellRead {
  constructor(
    readonly cell: Cell,
    readonly version: number,
  ) {}

  resolve(): Storage {
    const { cell, version } = this
    if (version === cell.version) return cell.front
    if (version === cell.version - 1 && cell.back !== null) return cell.back
    throw new StaleValueError(
      cell.name,
      'a value that was computed before the variable changed twice (keep it with keep(x) before the step)',
      `a value of update ${version}, when the variable is at update ${cell.version}`,
      { version, current: cell.version },
    )
  }
}

/** A scalar that the host supplies anew each time a plan runs, such as a learning rate. */
export class HostScalar {
  constructor(readonly read: () => number) {}
}

/** An argument of a traced function. */
export class TraceInput {
  constructor(readonly index: number) {}
}

/** The number of a random draw, counted from the beginning of the run. */
export class Draw {
  constructor(readonly offset: number) {}
}

/** The gradient a tensor has collected before a traced function is called. */
export class GradientInput {
  constructor(readonly owner: { readonly grad: { realize(): { readonly node: Node } } | null }) {}
}

/** A value that is computed only if somebody asks, from inputs noted when it came up. */
export class Deferred {
  private stored: Storage | null = null
  constructor(private readonly compute: () => Storage) {}

  resolve(): Storage {
    this.stored ??= this.compute()
    return this.stored
  }
}

export type LeafValue =
  | Storage
  | number
  | CellRead
  | HostScalar
  | TraceInput
  | Draw
  | GradientInput
  | Deferred

/** A leaf that holds a stored value. */
export function storedNode(storage: Storage, shape: StaticShape): Node {
  const node = parameter(shape, storage.dtype)
  node.value = storage
  return node
}

/** A leaf that reads a scalar slot: a new value needs no new plan. */
export function slotNode(value: number | HostScalar | Draw, dtype: DType): Node {
  const node = parameter([], dtype)
  node.value = value
  return node
}

export function cellNode(cell: Cell, needsGrad: boolean): Node {
  const node = parameter(cell.shape, cell.dtype)
  node.value = new CellRead(cell, cell.version)
  node.needsGrad = needsGrad
  return node
}

/** The bytes (or number) behind a leaf's value, outside traces. */
export function resolve(value: LeafValue): Binding {
  if (typeof value === 'number' || value instanceof Storage) return value
  if (value instanceof CellRead || value instanceof Deferred) return value.resolve()
  if (value instanceof HostScalar) return value.read()
  throw new TraceError(
    'compile',
    'a tensor of this computation (return tensors from the traced function instead)',
    'a tensor that belongs to a trace',
  )
}
