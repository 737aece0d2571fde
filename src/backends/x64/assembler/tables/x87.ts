// The x87 and its stack of registers, for what vectors cannot do: exact remainders. The notation is in
// ../forms.ts.

export const X87 = {
  /** Pushes a float. */
  fld: ['m32 = d9 /0', 'm64 = dd /0'],
  /** Pops one. */
  fstp: ['m32 = d9 /3', 'm64 = dd /3'],
  /** Exchanges the top two. */
  fxch: '= d9 c9',
  /** A step towards the remainder of the top divided by what is below it. */
  fprem: '= d9 f8',
  /** The status word; bit 10 tells that `fprem` is not there yet. */
  fnstsw: 'ax = df e0',
} as const
