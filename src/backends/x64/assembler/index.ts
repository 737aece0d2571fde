// An x86-64 assembler: instructions as typed methods, generated from tables of their encodings.

export {
  Assembler,
  type AssemblerOptions,
  type Instructions,
  instructionOf,
  type Mnemonic,
} from './assembler.js'
export type { Label } from './labels.js'
export type { Instruction } from './match.js'
export {
  type Address,
  byte,
  dword,
  type LabelAddress,
  type Mem,
  Memory,
  mem,
  qword,
  type Scale,
  type VectorAddress,
  type VectorMem,
  word,
} from './memory.js'
export type { Operand, Options } from './operands.js'
export * from './registers.js'
export { type Condition, FLOAT_PREDICATES, INTEGER_PREDICATES } from './tables/index.js'
