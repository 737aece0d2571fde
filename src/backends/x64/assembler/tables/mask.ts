// AVX-512: operations on masks, and the helpers of numerics (exponents, scaling, estimates).
// The notation is in ../forms.ts.

/** Masks of 8, 16, 32 and 64 bits: the pair of pp and W says which. */
const WIDTHS = { b: ['66', ''], w: ['np', ''], d: ['66', ' w1'], q: ['np', ' w1'] } as const
type Width = keyof typeof WIDTHS

/** The same operation on masks of each width; three operands need L = 1. */
function perWidth<const M extends string, const R extends string>(
  name: M,
  operands: R,
  opcode: string,
): Readonly<Record<`${M}${Width}`, `${R} = vex`>> {
  const l = operands === 'k, k, k' ? ' l1' : ''
  const entries = Object.entries(WIDTHS).map(([width, [pp, w]]) => [
    `${name}${width}`,
    `${operands} = vex ${pp} 0f ${opcode}${w}${l}`,
  ])
  return Object.fromEntries(entries) as Record<`${M}${Width}`, `${R} = vex`>
}

export const MASK = {
  kmovb: [
    'k, k/m8 = vex 66 0f 90',
    'm8, k = vex 66 0f 91 mr',
    'k, r32 = vex 66 0f 92',
    'r32, k = vex 66 0f 93',
  ],
  kmovw: [
    'k, k/m16 = vex np 0f 90',
    'm16, k = vex np 0f 91 mr',
    'k, r32 = vex np 0f 92',
    'r32, k = vex np 0f 93',
  ],
  kmovd: [
    'k, k/m32 = vex 66 0f 90 w1',
    'm32, k = vex 66 0f 91 w1 mr',
    'k, r32 = vex f2 0f 92',
    'r32, k = vex f2 0f 93',
  ],
  kmovq: [
    'k, k/m64 = vex np 0f 90 w1',
    'm64, k = vex np 0f 91 w1 mr',
    'k, r64 = vex f2 0f 92 w1',
    'r64, k = vex f2 0f 93 w1',
  ],
  ...perWidth('kand', 'k, k, k', '41'),
  ...perWidth('kandn', 'k, k, k', '42'),
  ...perWidth('kor', 'k, k, k', '45'),
  ...perWidth('kxnor', 'k, k, k', '46'),
  ...perWidth('kxor', 'k, k, k', '47'),
  ...perWidth('kadd', 'k, k, k', '4a'),
  ...perWidth('knot', 'k, k', '44'),
  ...perWidth('kortest', 'k, k', '98'),
  ...perWidth('ktest', 'k, k', '99'),
  kunpckbw: 'k, k, k = vex 66 0f 4b l1',
  kunpckwd: 'k, k, k = vex np 0f 4b l1',
  kunpckdq: 'k, k, k = vex np 0f 4b w1 l1',
  kshiftlb: 'k, k, u8 = vex 66 0f3a 32',
  kshiftlw: 'k, k, u8 = vex 66 0f3a 32 w1',
  kshiftld: 'k, k, u8 = vex 66 0f3a 33',
  kshiftlq: 'k, k, u8 = vex 66 0f3a 33 w1',
  kshiftrb: 'k, k, u8 = vex 66 0f3a 30',
  kshiftrw: 'k, k, u8 = vex 66 0f3a 30 w1',
  kshiftrd: 'k, k, u8 = vex 66 0f3a 31',
  kshiftrq: 'k, k, u8 = vex 66 0f3a 31 w1',

  /** Between masks and vectors: all ones where the bit is set; the bit of each sign. */
  vpmovm2b: 'v, k = evex f3 0f38 28',
  vpmovm2w: 'v, k = evex f3 0f38 28 w1',
  vpmovm2d: 'v, k = evex f3 0f38 38',
  vpmovm2q: 'v, k = evex f3 0f38 38 w1',
  vpmovb2m: 'k, v = evex f3 0f38 29',
  vpmovw2m: 'k, v = evex f3 0f38 29 w1',
  vpmovd2m: 'k, v = evex f3 0f38 39',
  vpmovq2m: 'k, v = evex f3 0f38 39 w1',

  /** a * 2^floor(b), the parts of a float, and fast estimates. */
  vscalefps: 'v{kz}, v, v/m/b32{er} = evex 66 0f38 2c',
  vscalefpd: 'v{kz}, v, v/m/b64{er} = evex 66 0f38 2c w1',
  vscalefss: 'x{kz}, x, x/m32{er} = evex 66 0f38 2d',
  vscalefsd: 'x{kz}, x, x/m64{er} = evex 66 0f38 2d w1',
  vgetexpps: 'v{kz}, v/m/b32{sae} = evex 66 0f38 42',
  vgetexppd: 'v{kz}, v/m/b64{sae} = evex 66 0f38 42 w1',
  vgetexpss: 'x{kz}, x, x/m32{sae} = evex 66 0f38 43',
  vgetexpsd: 'x{kz}, x, x/m64{sae} = evex 66 0f38 43 w1',
  vgetmantps: 'v{kz}, v/m/b32, u8{sae} = evex 66 0f3a 26',
  vgetmantpd: 'v{kz}, v/m/b64, u8{sae} = evex 66 0f3a 26 w1',
  vgetmantss: 'x{kz}, x, x/m32, u8{sae} = evex 66 0f3a 27',
  vgetmantsd: 'x{kz}, x, x/m64, u8{sae} = evex 66 0f3a 27 w1',
  vreduceps: 'v{kz}, v/m/b32, u8{sae} = evex 66 0f3a 56',
  vreducepd: 'v{kz}, v/m/b64, u8{sae} = evex 66 0f3a 56 w1',
  vrangeps: 'v{kz}, v, v/m/b32, u8{sae} = evex 66 0f3a 50',
  vrangepd: 'v{kz}, v, v/m/b64, u8{sae} = evex 66 0f3a 50 w1',
  vfixupimmps: 'v{kz}, v, v/m/b32, u8{sae} = evex 66 0f3a 54',
  vfixupimmpd: 'v{kz}, v, v/m/b64, u8{sae} = evex 66 0f3a 54 w1',
  vrcp14ps: 'v{kz}, v/m/b32 = evex 66 0f38 4c',
  vrcp14pd: 'v{kz}, v/m/b64 = evex 66 0f38 4c w1',
  vrsqrt14ps: 'v{kz}, v/m/b32 = evex 66 0f38 4e',
  vrsqrt14pd: 'v{kz}, v/m/b64 = evex 66 0f38 4e w1',
} as const
