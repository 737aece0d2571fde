// Tensors as text, the way NumPy shows arrays: aligned columns, no more digits than needed.

import { type DType, isFloat, type TypedArray } from '../base/dtype.js'
import { formatShape, type StaticShape, sizeOf, stridesOf } from '../base/shape.js'
import { type Cell, cellsOf } from './digits.js'

/** How tensors are printed. */
export interface PrintOptions {
  /** Digits after the decimal point at most. Default 8. */
  readonly precision: number
  /** Tensors with more elements than this are summarised. Default 1000. */
  readonly threshold: number
  /** Elements shown at each end of a summarised axis. Default 3. */
  readonly edgeItems: number
  /** Characters in a line, after which a row of numbers wraps. Default 75, as NumPy has it. */
  readonly lineWidth: number
  /** Never use scientific notation because of small values. Default false. */
  readonly suppress: boolean
}

let options: PrintOptions = {
  precision: 8,
  threshold: 1000,
  edgeItems: 3,
  lineWidth: 75,
  suppress: false,
}

/**
 * Changes how tensors are printed from now on, and returns the options in force. Mirrors
 * `numpy.set_printoptions`.
 */
export function printOptions(changes: Partial<PrintOptions> = {}): PrintOptions {
  options = { ...options, ...changes }
  return options
}

/** The coordinates shown along an axis of `n`; `null` stands for the ones left out. */
function shown(n: number, summarise: boolean): (number | null)[] {
  const { edgeItems } = options
  const all = Array.from({ length: n }, (_, i) => i)
  if (!summarise || n <= 2 * edgeItems) return all
  return [...all.slice(0, edgeItems), null, ...all.slice(n - edgeItems)]
}

/** A row's numbers with commas, in lines of at most `room` characters. */
function layRow(cells: readonly string[], depth: number, room: number): string {
  const indent = ' '.repeat(depth)
  const lines: string[] = []
  let line = ''
  for (const [i, cell] of cells.entries()) {
    const text = i < cells.length - 1 ? `${cell},` : cell
    if (line !== '' && depth + line.length + 1 + text.length > room) {
      lines.push(line)
      line = text
    } else {
      line = line === '' ? text : `${line} ${text}`
    }
  }
  lines.push(line)
  return `[${lines.join(`\n${indent}`)}]`
}

/**
 * The values of a tensor, its dtype and its shape, as text: `[1.5, 2. ]  float32 [2]`. Matrices take a
 * line per row. More than `printOptions().threshold` elements are summarised with `...`.
 */
export function formatTensor(values: TypedArray, shape: StaticShape, dtype: DType): string {
  const suffix = `  ${dtype} ${formatShape(shape)}`
  const size = sizeOf(shape)
  if (size === 0) return `[]${suffix}`
  const summarise = size > options.threshold
  const strides = stridesOf(shape)
  const picks = shape.map((n) => shown(n, summarise))

  // Cells are formatted together, because they share a width: first those that are seen are gathered.
  const seen: number[] = []
  const gather = (axis: number, offset: number): void => {
    if (axis === shape.length) seen.push(offset)
    else for (const i of picks[axis]!) if (i !== null) gather(axis + 1, offset + i * strides[axis]!)
  }
  gather(0, 0)
  const cells = cellsOf(
    seen.map((i) => values[i] as Cell),
    { dtype, digits: options.precision, suppress: options.suppress, scalar: shape.length === 0 },
  )

  let next = 0
  const build = (axis: number): string => {
    if (axis === shape.length) return cells[next++]!
    const parts = picks[axis]!.map((i) => (i === null ? '...' : build(axis + 1)))
    if (axis === shape.length - 1) return layRow(parts, axis + 1, options.lineWidth)
    const gap = '\n'.repeat(shape.length - 1 - axis)
    return `[${parts.join(`,${gap}${' '.repeat(axis + 1)}`)}]`
  }
  return build(0) + suffix
}

/** One number as printing shows it on its own. */
export function formatValue(value: Cell, dtype: DType): string {
  const digits = isFloat(dtype) ? options.precision : 0
  return cellsOf([value], { dtype, digits, suppress: options.suppress, scalar: true })[0]!
}
