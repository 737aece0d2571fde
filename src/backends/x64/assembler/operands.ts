// Operands of instructions, and their TypeScript types read from the rows of the tables.

import type { Label } from './labels.js'
import type { Mem, Memory, VectorMem } from './memory.js'
import type {
  Gp,
  Gp8,
  Gp16,
  Gp32,
  Gp64,
  Mask,
  Register,
  Vector,
  Xmm,
  Ymm,
  Zmm,
} from './registers.js'

/** Anything an instruction may be given. */
export type Operand = Register | Memory | Label | number | bigint

/** What AVX-512 adds to an instruction. */
export interface Options {
  /** Only elements whose bit is set are written (k1 to k7). */
  readonly mask?: Mask
  /** Elements masked out become zero, instead of keeping what the destination had. */
  readonly zero?: boolean
  /** Rounds this way whatever MXCSR says; operands in registers only. Suppresses exceptions. */
  readonly rounding?: 'nearest' | 'down' | 'up' | 'zero'
  /** Suppresses exceptions ({sae}). */
  readonly suppress?: boolean
}

/** A row of a table: `operands = encoding`, see forms.ts. */
export type Row = string

type Split<S extends string> = S extends `${infer Head}, ${infer Tail}`
  ? [Head, ...Split<Tail>]
  : [S]
type Bare<S extends string> = S extends `${infer Atoms}{${string}` ? Atoms : S

interface Simple {
  v: Vector
  h: Vector
  q: Vector
  e: Vector
  x: Xmm
  y: Ymm
  z: Zmm
  k: Mask
  r: Gp
  acc: Gp
  r8: Gp8
  al: Gp8
  cl: Gp8
  ax: Gp16
  eax: Gp32
  rax: Gp64
  r16: Gp16
  r32: Gp32
  r64: Gp64
  m: Mem
  mem: Mem
  i8: number
  u8: number
  i16: number
  i32: number
  i32s: number
  i: number
  i64: number | bigint
  '1': 1
  rel: Label
}

type Atom<S extends string> = S extends keyof Simple
  ? Simple[S]
  : S extends `${string}[${string}]`
    ? VectorMem
    : S extends `m${string}`
      ? Mem
      : never
type Atoms<S extends string> = S extends `${infer Head}/${infer Tail}`
  ? Atom<Head> | Atoms<Tail>
  : Atom<S>
type Tuple<S extends readonly string[]> = {
  [I in keyof S]: Atoms<Bare<S[I] & string>>
}

/** The arguments of the method for one row. */
export type RowArguments<R extends Row> = R extends `= ${string}`
  ? []
  : R extends `${infer Left} = ${infer Right}`
    ? Right extends `${'both' | 'evex'}${string}`
      ? [...Tuple<Split<Left>>, options?: Options]
      : Tuple<Split<Left>>
    : never

/** Rows of one mnemonic: one, or several. */
export type Rows = Row | readonly Row[]

/** The arguments of a mnemonic's method: those of any of its rows. */
export type Arguments<R extends Rows> = R extends Row
  ? RowArguments<R>
  : R extends readonly Row[]
    ? RowArguments<R[number]>
    : never
