// Operand classes: each operand belongs to one, each slot of a form accepts a set of them.
// They are bits, so that finding the form for some operands is a few bitwise ands.

export const CLASS = {
  r8: 1 << 0,
  r16: 1 << 1,
  r32: 1 << 2,
  r64: 1 << 3,
  x: 1 << 4,
  y: 1 << 5,
  z: 1 << 6,
  k: 1 << 7,
  /** Memory at an address of general registers. */
  m: 1 << 8,
  /** Memory at many addresses: one for each element of an index register. */
  mx: 1 << 9,
  my: 1 << 10,
  mz: 1 << 11,
  immediate: 1 << 12,
  label: 1 << 13,
} as const
