// Labels: places in the code that may be named before they are known.

import { CLASS } from './classes.js'

/** A place in the code. Made by `Assembler.label`, put by `Assembler.bind`. */
export class Label {
  readonly bits = CLASS.label
  /** What the choice of an instruction's form can depend on: where labels go, any does. */
  readonly shape = 63
  /** Bytes of code before it while jumps are still short; -1 until it is bound. */
  position = -1
  /** How many pieces of variable length (jumps, alignments) come before it. */
  piece = 0
  /** Bytes from the start of the finished code; -1 before `finish`. */
  offset = -1

  constructor(readonly name: string) {}

  toString(): string {
    return this.name
  }
}
