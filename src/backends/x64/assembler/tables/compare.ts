// Comparisons, tests and selections. The notation is in ../forms.ts.

/**
 * Predicates of `vcmpps` and its kin: o(rdered) is false when an operand is NaN, u(nordered) true;
 * q(uiet) and s(ignalling) say whether NaN raises an exception.
 */
export const FLOAT_PREDICATES = {
  eq: 0x00, // ordered, quiet
  lt: 0x01, // ordered, signalling
  le: 0x02,
  unord: 0x03,
  neq: 0x04, // unordered, quiet
  nlt: 0x05,
  nle: 0x06,
  ord: 0x07,
  eq_uq: 0x08,
  nge: 0x09,
  ngt: 0x0a,
  neq_oq: 0x0c,
  ge: 0x0d, // ordered, signalling
  gt: 0x0e,
  lt_oq: 0x11,
  le_oq: 0x12,
  nlt_uq: 0x15,
  nle_uq: 0x16,
  nge_uq: 0x19,
  ngt_uq: 0x1a,
  ge_oq: 0x1d,
  gt_oq: 0x1e,
} as const

/** Predicates of `vpcmpd`, `vpcmpud` and their kin. */
export const INTEGER_PREDICATES = { eq: 0, lt: 1, le: 2, ne: 4, ge: 5, gt: 6 } as const

export const COMPARE = {
  vcmpps: ['v, v, v/m, u8 = vex np 0f c2', 'k{k}, v, v/m/b32, u8{sae} = evex np 0f c2'],
  vcmppd: ['v, v, v/m, u8 = vex 66 0f c2', 'k{k}, v, v/m/b64, u8{sae} = evex 66 0f c2 w1'],
  vcmpss: ['x, x, x/m32, u8 = vex f3 0f c2', 'k{k}, x, x/m32, u8{sae} = evex f3 0f c2'],
  vcmpsd: ['x, x, x/m64, u8 = vex f2 0f c2', 'k{k}, x, x/m64, u8{sae} = evex f2 0f c2 w1'],
  vucomiss: 'x, x/m32{sae} = both np 0f 2e',
  vucomisd: 'x, x/m64{sae} = both 66 0f 2e ew1',
  vcomiss: 'x, x/m32{sae} = both np 0f 2f',
  vcomisd: 'x, x/m64{sae} = both 66 0f 2f ew1',

  vpcmpeqb: ['v, v, v/m = vex 66 0f 74', 'k{k}, v, v/m = evex 66 0f 74'],
  vpcmpeqw: ['v, v, v/m = vex 66 0f 75', 'k{k}, v, v/m = evex 66 0f 75'],
  vpcmpeqd: ['v, v, v/m = vex 66 0f 76', 'k{k}, v, v/m/b32 = evex 66 0f 76'],
  vpcmpeqq: ['v, v, v/m = vex 66 0f38 29', 'k{k}, v, v/m/b64 = evex 66 0f38 29 w1'],
  vpcmpgtb: ['v, v, v/m = vex 66 0f 64', 'k{k}, v, v/m = evex 66 0f 64'],
  vpcmpgtw: ['v, v, v/m = vex 66 0f 65', 'k{k}, v, v/m = evex 66 0f 65'],
  vpcmpgtd: ['v, v, v/m = vex 66 0f 66', 'k{k}, v, v/m/b32 = evex 66 0f 66'],
  vpcmpgtq: ['v, v, v/m = vex 66 0f38 37', 'k{k}, v, v/m/b64 = evex 66 0f38 37 w1'],
  vpcmpb: 'k{k}, v, v/m, u8 = evex 66 0f3a 3f',
  vpcmpub: 'k{k}, v, v/m, u8 = evex 66 0f3a 3e',
  vpcmpw: 'k{k}, v, v/m, u8 = evex 66 0f3a 3f w1',
  vpcmpuw: 'k{k}, v, v/m, u8 = evex 66 0f3a 3e w1',
  vpcmpd: 'k{k}, v, v/m/b32, u8 = evex 66 0f3a 1f',
  vpcmpud: 'k{k}, v, v/m/b32, u8 = evex 66 0f3a 1e',
  vpcmpq: 'k{k}, v, v/m/b64, u8 = evex 66 0f3a 1f w1',
  vpcmpuq: 'k{k}, v, v/m/b64, u8 = evex 66 0f3a 1e w1',
  vptest: 'v, v/m = vex 66 0f38 17',
  vtestps: 'v, v/m = vex 66 0f38 0e',
  vtestpd: 'v, v/m = vex 66 0f38 0f',
  vptestmb: 'k{k}, v, v/m = evex 66 0f38 26',
  vptestmw: 'k{k}, v, v/m = evex 66 0f38 26 w1',
  vptestmd: 'k{k}, v, v/m/b32 = evex 66 0f38 27',
  vptestmq: 'k{k}, v, v/m/b64 = evex 66 0f38 27 w1',
  vptestnmb: 'k{k}, v, v/m = evex f3 0f38 26',
  vptestnmw: 'k{k}, v, v/m = evex f3 0f38 26 w1',
  vptestnmd: 'k{k}, v, v/m/b32 = evex f3 0f38 27',
  vptestnmq: 'k{k}, v, v/m/b64 = evex f3 0f38 27 w1',
  vfpclassps: 'k{k}, v/m/b32, u8 = evex 66 0f3a 66',
  vfpclasspd: 'k{k}, v/m/b64, u8 = evex 66 0f3a 66 w1',

  vblendps: 'v, v, v/m, u8 = vex 66 0f3a 0c',
  vblendpd: 'v, v, v/m, u8 = vex 66 0f3a 0d',
  vpblendd: 'v, v, v/m, u8 = vex 66 0f3a 02',
  vpblendw: 'v, v, v/m, u8 = vex 66 0f3a 0e',
  vblendvps: 'v, v, v/m, v = vex 66 0f3a 4a',
  vblendvpd: 'v, v, v/m, v = vex 66 0f3a 4b',
  vpblendvb: 'v, v, v/m, v = vex 66 0f3a 4c',
  vblendmps: 'v{kz}, v, v/m/b32 = evex 66 0f38 65',
  vblendmpd: 'v{kz}, v, v/m/b64 = evex 66 0f38 65 w1',
  vpblendmb: 'v{kz}, v, v/m = evex 66 0f38 66',
  vpblendmw: 'v{kz}, v, v/m = evex 66 0f38 66 w1',
  vpblendmd: 'v{kz}, v, v/m/b32 = evex 66 0f38 64',
  vpblendmq: 'v{kz}, v, v/m/b64 = evex 66 0f38 64 w1',
} as const
