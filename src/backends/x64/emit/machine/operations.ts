// What the name of an instruction says: which operands it writes and which it reads, which could be memory.
//
// The rule is Intel's: the first operand is written, the rest are read. The tables list the exceptions.

export interface Operation {
  /** A mnemonic; or `label`, which binds its operand. */
  readonly name: string
  /** Only reads, to set flags or to jump. */
  readonly reads: boolean
  /** Reads its first operand too. */
  readonly modifies: boolean
  /** Clears its mask as it goes. */
  readonly clears: boolean
  /** Its mask chooses between its sources. */
  readonly blends: boolean
  readonly jumps: boolean
  /** Between registers of one class it is a plain copy. */
  readonly copies: boolean
  /** A load that an operand of memory can stand for: bytes of the element it spreads, 0 for a whole vector. */
  readonly loads: 0 | 4 | 8 | null
  /** Bytes of its elements, if one of its operands could be memory; else 0. */
  readonly element: 0 | 4 | 8
  /** Which operand that is: compares have a predicate behind it, all others have it last. */
  readonly compares: boolean
  /** Whether its sources may change places. */
  readonly commutes: boolean
}

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/))

const MODIFIES = words(
  `add sub and or xor neg not inc dec shl shr sar imul2 cmovg cmovl cmove cmovne
  vpternlogd vpternlogq vpermt2ps vpermt2pd vpermt2d vpermt2q
  vgatherdps vgatherdpd vpgatherdd vpgatherdq vgatherqps vgatherqpd vpgatherqd vpgatherqq`,
)
const READS = words(
  `cmp test bt vptest vtestps kortestw kortestb ktestw vcomiss vcomisd vucomiss vucomisd
  idiv div push jmp label`,
)
const COPIES = words('mov vmovaps kmovw')
const CLEARS = /^v(p?gather|p?scatter)/
const FMA = /^vfn?madd/
const COMMUTES =
  /^v(add|mul|and|or|xor)p[sd]$|^vp(add|and|or|xor|mull|muludq|mins|maxs)[dq]?$|^vp(and|or|xor)$|^vfn?madd231/
const LOADS: Readonly<Record<string, 0 | 4 | 8>> = { vmovups: 0, vbroadcastss: 4, vbroadcastsd: 8 }

/** Instructions whose last source may be memory, by the bytes of their elements. */
const ELEMENT = {
  4: words(
    `vaddps vsubps vmulps vdivps vminps vmaxps vsqrtps vandps vandnps vorps vxorps
    vpaddd vpsubd vpminsd vpmaxsd vpmulld vpandd vpandnd vpord vpxord vpand vpandn vpor vpxor
    vfmadd132ps vfmadd213ps vfmadd231ps vfnmadd132ps vfnmadd213ps vfnmadd231ps`,
  ),
  8: words(
    `vaddpd vsubpd vmulpd vdivpd vminpd vmaxpd vsqrtpd vandpd vandnpd vorpd vxorpd
    vpaddq vpsubq vpminsq vpmaxsq vpmullq vpmuludq vpandq vpandnq vporq vpxorq
    vfmadd132pd vfmadd213pd vfmadd231pd vfnmadd132pd vfnmadd213pd vfnmadd231pd`,
  ),
}
const COMPARES = {
  4: words('vcmpps vpcmpd vpcmpeqd vpcmpgtd'),
  8: words('vcmppd vpcmpq vpcmpeqq vpcmpgtq'),
}

function read(name: string): Operation {
  const compares = COMPARES[4].has(name) || COMPARES[8].has(name)
  const has = (bytes: 4 | 8): boolean => (compares ? COMPARES : ELEMENT)[bytes].has(name)
  return {
    name,
    reads: READS.has(name),
    modifies: MODIFIES.has(name) || FMA.test(name),
    clears: CLEARS.test(name),
    blends: name.startsWith('vblendm'),
    jumps: name[0] === 'j',
    copies: COPIES.has(name),
    loads: LOADS[name] ?? null,
    element: has(4) ? 4 : has(8) ? 8 : 0,
    compares,
    commutes: COMMUTES.test(name),
  }
}

const known = new Map<string, Operation>()

/** The operation of a name, read from the tables when first asked for. */
export function operationOf(name: string): Operation {
  let operation = known.get(name)
  if (operation === undefined) {
    operation = read(name)
    known.set(name, operation)
  }
  return operation
}
