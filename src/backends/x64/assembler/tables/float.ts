// Floating point: scalars and vectors, AVX and AVX-512 side by side. The notation is in ../forms.ts.

/** Packed and scalar arithmetic of three operands, in both precisions. */
const arithmetic = <const M extends string, const O extends string>(name: M, opcode: O) =>
  ({
    [`${name}ps`]: `v{kz}, v, v/m/b32{er} = both np 0f ${opcode}`,
    [`${name}pd`]: `v{kz}, v, v/m/b64{er} = both 66 0f ${opcode} ew1`,
    [`${name}ss`]: `x{kz}, x, x/m32{er} = both f3 0f ${opcode}`,
    [`${name}sd`]: `x{kz}, x, x/m64{er} = both f2 0f ${opcode} ew1`,
  }) as Readonly<
    Record<`${M}p${'s' | 'd'}`, 'v{kz}, v, v/m/b32 = both'> &
      Record<`${M}ss`, 'x{kz}, x, x/m32 = both'> &
      Record<`${M}sd`, 'x{kz}, x, x/m64 = both'>
  >

/** Bitwise operations have no rounding, and no scalar form. */
const bitwise = <const M extends string, const O extends string>(name: M, opcode: O) =>
  ({
    [`${name}ps`]: `v{kz}, v, v/m/b32 = both np 0f ${opcode}`,
    [`${name}pd`]: `v{kz}, v, v/m/b64 = both 66 0f ${opcode} ew1`,
  }) as Readonly<Record<`${M}p${'s' | 'd'}`, 'v{kz}, v, v/m/b32 = both'>>

/** a * b + c with one rounding; 132, 213, 231 say which operands are multiplied, then added. */
const FUSED = { madd: 0x8, msub: 0xa, nmadd: 0xc, nmsub: 0xe } as const
const ORDERS = { 132: 0x90, 213: 0xa0, 231: 0xb0 } as const
type FusedName = `vf${keyof typeof FUSED}${keyof typeof ORDERS}`

function fused() {
  const out: Record<string, string> = {}
  for (const [name, low] of Object.entries(FUSED)) {
    for (const [order, high] of Object.entries(ORDERS)) {
      const packed = (high + low).toString(16)
      const scalar = (high + low + 1).toString(16)
      out[`vf${name}${order}ps`] = `v{kz}, v, v/m/b32{er} = both 66 0f38 ${packed}`
      out[`vf${name}${order}pd`] = `v{kz}, v, v/m/b64{er} = both 66 0f38 ${packed} w1`
      out[`vf${name}${order}ss`] = `x{kz}, x, x/m32{er} = both 66 0f38 ${scalar}`
      out[`vf${name}${order}sd`] = `x{kz}, x, x/m64{er} = both 66 0f38 ${scalar} w1`
    }
  }
  return out as Readonly<
    Record<`${FusedName}p${'s' | 'd'}`, 'v{kz}, v, v/m/b32 = both'> &
      Record<`${FusedName}ss`, 'x{kz}, x, x/m32 = both'> &
      Record<`${FusedName}sd`, 'x{kz}, x, x/m64 = both'>
  >
}

export const FLOAT = {
  ...arithmetic('vadd', '58'),
  ...arithmetic('vmul', '59'),
  ...arithmetic('vsub', '5c'),
  ...arithmetic('vdiv', '5e'),
  vminps: 'v{kz}, v, v/m/b32{sae} = both np 0f 5d',
  vminpd: 'v{kz}, v, v/m/b64{sae} = both 66 0f 5d ew1',
  vminss: 'x{kz}, x, x/m32{sae} = both f3 0f 5d',
  vminsd: 'x{kz}, x, x/m64{sae} = both f2 0f 5d ew1',
  vmaxps: 'v{kz}, v, v/m/b32{sae} = both np 0f 5f',
  vmaxpd: 'v{kz}, v, v/m/b64{sae} = both 66 0f 5f ew1',
  vmaxss: 'x{kz}, x, x/m32{sae} = both f3 0f 5f',
  vmaxsd: 'x{kz}, x, x/m64{sae} = both f2 0f 5f ew1',
  vsqrtps: 'v{kz}, v/m/b32{er} = both np 0f 51',
  vsqrtpd: 'v{kz}, v/m/b64{er} = both 66 0f 51 ew1',
  vsqrtss: 'x{kz}, x, x/m32{er} = both f3 0f 51',
  vsqrtsd: 'x{kz}, x, x/m64{er} = both f2 0f 51 ew1',
  vrcpps: 'v, v/m = vex np 0f 53',
  vrsqrtps: 'v, v/m = vex np 0f 52',
  ...bitwise('vand', '54'),
  ...bitwise('vandn', '55'),
  ...bitwise('vor', '56'),
  ...bitwise('vxor', '57'),
  ...fused(),

  vmovaps: ['v{kz}, v/m = both np 0f 28 alt29', 'm{k}, v = both np 0f 29 mr'],
  vmovapd: ['v{kz}, v/m = both 66 0f 28 ew1 alt29', 'm{k}, v = both 66 0f 29 ew1 mr'],
  vmovups: ['v{kz}, v/m = both np 0f 10 alt11', 'm{k}, v = both np 0f 11 mr'],
  vmovupd: ['v{kz}, v/m = both 66 0f 10 ew1 alt11', 'm{k}, v = both 66 0f 11 ew1 mr'],
  vmovss: [
    'x{kz}, m32 = both f3 0f 10',
    'm32{k}, x = both f3 0f 11 mr',
    'x{kz}, x, x = both f3 0f 10 alt11',
  ],
  vmovsd: [
    'x{kz}, m64 = both f2 0f 10 ew1',
    'm64{k}, x = both f2 0f 11 ew1 mr',
    'x{kz}, x, x = both f2 0f 10 ew1 alt11',
  ],
  vmovntps: 'm, v = both np 0f 2b mr',
  vmovntpd: 'm, v = both 66 0f 2b ew1 mr',
  vmovddup: ['x{kz}, x/m64 = both f2 0f 12 ew1', 'v{kz}, v/m = both f2 0f 12 ew1 nox'],
  vmovshdup: 'v{kz}, v/m = both f3 0f 16',
  vmovsldup: 'v{kz}, v/m = both f3 0f 12',
  vmovhlps: 'x, x, x = both np 0f 12',
  vmovlhps: 'x, x, x = both np 0f 16',
  vmovlps: ['x, x, m64 = both np 0f 12', 'm64, x = both np 0f 13 mr'],
  vmovhps: ['x, x, m64 = both np 0f 16', 'm64, x = both np 0f 17 mr'],
  vmovlpd: ['x, x, m64 = both 66 0f 12 ew1', 'm64, x = both 66 0f 13 ew1 mr'],
  vmovhpd: ['x, x, m64 = both 66 0f 16 ew1', 'm64, x = both 66 0f 17 ew1 mr'],
  vmovd: ['x, r32/m32 = both 66 0f 6e', 'r32/m32, x = both 66 0f 7e mr'],
  vmovq: [
    'x, x/m64 = vex f3 0f 7e alt66d6',
    'x, x = evex f3 0f 7e w1',
    'm64, x = vex 66 0f d6 mr',
    'x, r64/m64 = both 66 0f 6e w1',
    'r64/m64, x = both 66 0f 7e w1 mr',
  ],
  vmovmskps: ['r32, x = vex np 0f 50', 'r32, y = vex np 0f 50'],
  vmovmskpd: ['r32, x = vex 66 0f 50', 'r32, y = vex 66 0f 50'],
  vmaskmovps: ['v, v, m = vex 66 0f38 2c', 'm, v, v = vex 66 0f38 2e mvr'],
  vmaskmovpd: ['v, v, m = vex 66 0f38 2d', 'm, v, v = vex 66 0f38 2f mvr'],
  vbroadcastss: 'v{kz}, x/m32 = both 66 0f38 18',
  vbroadcastsd: 'v{kz}, x/m64 = both 66 0f38 19 ew1 nox',
  vbroadcastf128: 'y, m128 = vex 66 0f38 1a',
  vzeroupper: '= vex np 0f 77',
  vzeroall: '= vex np 0f 77 l1',
} as const
