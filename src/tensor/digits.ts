// Numbers as columns of text: one width, one notation, the fewest digits that tell the values apart.

import { type DType, isFloat } from '../base/dtype.js'

/** An element as a typed array holds it. */
export type Cell = number | bigint

export interface ColumnOptions {
  readonly dtype: DType
  /** Digits after the decimal point at most. */
  readonly digits: number
  /** Small values do not cause scientific notation. */
  readonly suppress: boolean
  /** The value stands alone: no padding, no dangling point. */
  readonly scalar: boolean
}

/** Elements as strings of one width. */
export function cellsOf(values: readonly Cell[], options: ColumnOptions): string[] {
  const { dtype, scalar } = options
  if (dtype === 'bool') {
    const names = values.map((v) => (v ? 'true' : 'false'))
    return scalar ? names : padAll(names)
  }
  if (!isFloat(dtype)) return padAll(values.map(String))
  return floatCells(values as readonly number[], options)
}

function padAll(cells: readonly string[]): string[] {
  const width = cells.reduce((w, c) => Math.max(w, c.length), 0)
  return cells.map((c) => c.padStart(width))
}

const special = (x: number): string | null => {
  if (Number.isNaN(x)) return 'nan'
  if (x === Infinity) return 'inf'
  return x === -Infinity ? '-inf' : null
}

/** NumPy's rule for when a column is easier to read with exponents. */
function needsExponent(finite: readonly number[], suppress: boolean): boolean {
  const sizes = finite.filter((x) => x !== 0).map(Math.abs)
  if (sizes.length === 0) return false
  let largest = 0
  let smallest = Infinity
  for (const s of sizes) {
    largest = Math.max(largest, s)
    smallest = Math.min(smallest, s)
  }
  return largest >= 1e8 || (!suppress && (smallest < 1e-4 || largest / smallest > 1000))
}

function floatCells(values: readonly number[], options: ColumnOptions): string[] {
  const finite = values.filter(Number.isFinite)
  const exponent = needsExponent(finite, options.suppress)
  const write = exponent ? scientific : positional
  const written = values.map((x) => special(x) ?? write(x, options))
  return alignPoints(written, options.scalar, exponent)
}

/** The fewest significant digits from which the value can be read back in its own dtype. */
function shortest(x: number, dtype: DType): string {
  if (dtype !== 'float32') return x.toExponential()
  for (let digits = 0; digits < 9; digits++) {
    const text = x.toExponential(digits)
    if (Math.fround(Number(text)) === x) return text
  }
  return x.toExponential()
}

const minusZero = (x: number): string => (Object.is(x, -0) ? '-' : '')

/** `12.5`, `3.`: fixed notation without trailing zeros. */
function positional(x: number, { dtype, digits }: ColumnOptions): string {
  const text = Number(shortest(x, dtype)).toFixed(digits)
  const [whole, fraction = ''] = text.split('.')
  return `${minusZero(x)}${whole}.${fraction.replace(/0+$/, '')}`
}

/** `1.25e-07`: a mantissa without trailing zeros and an exponent of at least two digits. */
function scientific(x: number, { dtype, digits }: ColumnOptions): string {
  const short = shortest(x, dtype)
  const [mantissa = '', power = '+0'] = short.split('e')
  const cut = mantissa.length > digits + 2 ? x.toExponential(digits) : short
  const [whole = '', fraction = ''] = cut.split('e')[0]!.split('.')
  const exponent = cut.split('e')[1] ?? power
  const sign = exponent.startsWith('-') ? '-' : '+'
  const size = exponent.replace(/^[+-]/, '').padStart(2, '0')
  return `${minusZero(x)}${whole}.${fraction.replace(/0+$/, '')}e${sign}${size}`
}

/** `e-07` with at least `digits` digits. */
const exponentOf = (power: string, digits: number): string =>
  `e${power[1]}${power.slice(2).padStart(digits, '0')}`

/**
 * Lines decimal points up: mantissas all get the same digits and exponents too, fixed fractions are
 * padded with blanks, as NumPy does.
 */
function alignPoints(cells: readonly string[], scalar: boolean, exponent: boolean): string[] {
  if (scalar) return cells.map((c) => (exponent ? c : c.replace(/\.$/, '.0')))
  const parts = cells.map((c) => /^([^.]*)(?:\.(\d*)(e.*)?)?$/.exec(c)!)
  const widest = (group: number): number =>
    parts.reduce((w, p) => Math.max(w, p[group]?.length ?? 0), 0)
  const after = widest(2)
  const power = widest(3) - 2
  const rendered = parts.map(([, whole = '', fraction, end]) => {
    if (fraction === undefined) return whole
    if (end === undefined) return `${whole}.${fraction.padEnd(after)}`
    return `${whole}.${fraction.padEnd(after, '0')}${exponentOf(end, power)}`
  })
  return padAll(rendered)
}
