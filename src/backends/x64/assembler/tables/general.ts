// General-purpose instructions. The notation is explained in ../forms.ts.

/** Conditions in the order of their encoding, with their other names. */
const CONDITIONS = {
  o: 0x0,
  no: 0x1,
  b: 0x2,
  c: 0x2,
  ae: 0x3,
  nc: 0x3,
  e: 0x4,
  z: 0x4,
  ne: 0x5,
  nz: 0x5,
  be: 0x6,
  a: 0x7,
  s: 0x8,
  ns: 0x9,
  p: 0xa,
  np: 0xb,
  l: 0xc,
  ge: 0xd,
  le: 0xe,
  g: 0xf,
} as const

/** A condition of a jump, `setcc` or `cmovcc`: unsigned a, ae, b, be; signed g, ge, l, le. */
export type Condition = keyof typeof CONDITIONS

const hex = (n: number): string => n.toString(16).padStart(2, '0')

/** One entry for each condition. */
function perCondition<P extends string, const R extends string>(
  prefix: P,
  row: R,
  encode: (code: number) => string,
): { readonly [N in `${P}${Condition}`]: R } {
  const entries = Object.entries(CONDITIONS).map(([name, code]) => [
    prefix + name,
    row.replace(/=.*/, `= ${encode(code)}`),
  ])
  return Object.fromEntries(entries) as { [N in `${P}${Condition}`]: R }
}

/** The eight operations add, or, adc, sbb, and, sub, xor, cmp share one layout of opcodes. */
const arithmetic = <const N extends number>(n: N) =>
  [
    `r8/m8, r8 = ${hex(n * 8)} mr`,
    `r/m, r = ${hex(n * 8 + 1)} mr`,
    `r8, m8 = ${hex(n * 8 + 2)}`,
    `r, m = ${hex(n * 8 + 3)}`,
    `r/m, i8 = 83 /${n}`,
    `al, u8 = ${hex(n * 8 + 4)}`,
    `acc, i = ${hex(n * 8 + 5)}`,
    `r8/m8, u8 = 80 /${n}`,
    `r/m, i = 81 /${n}`,
  ] as const

/** The same with a memory destination, in one indivisible step. */
const locked = <const N extends number>(n: N) =>
  [
    `m8, r8 = lock ${hex(n * 8)} mr`,
    `m, r = lock ${hex(n * 8 + 1)} mr`,
    `m8, u8 = lock 80 /${n}`,
    `m16, i8 = lock 66 83 /${n}`,
    `m32, i8 = lock 83 /${n}`,
    `m64, i8 = lock 83 /${n} w1`,
    `m32, i32 = lock 81 /${n}`,
    `m64, i32s = lock 81 /${n} w1`,
  ] as const

const shift = <const N extends number>(n: N) =>
  [
    `r8/m8, 1 = d0 /${n}`,
    `r/m, 1 = d1 /${n}`,
    `r8/m8, u8 = c0 /${n}`,
    `r/m, u8 = c1 /${n}`,
    `r8/m8, cl = d2 /${n}`,
    `r/m, cl = d3 /${n}`,
  ] as const

const unary = <const N extends number>(n: N) => [`r8/m8 = f6 /${n}`, `r/m = f7 /${n}`] as const

const bitTest = <const N extends number, const O extends string>(n: N, opcode: O) =>
  [`r/m, r = 0f ${opcode} mr`, `r/m, u8 = 0f ba /${n}`] as const

export const GENERAL = {
  mov: [
    'r8/m8, r8 = 88 mr',
    'r/m, r = 89 mr',
    'r8, m8 = 8a',
    'r, m = 8b',
    'r8, u8 = b0 +r',
    'r16, i16 = 66 b8 +r',
    'r32, i32 = b8 +r',
    'r64, i32s = c7 /0 w1',
    'r64, i64 = b8 +r w1',
    'm8, u8 = c6 /0',
    'm16, i16 = 66 c7 /0',
    'm32, i32 = c7 /0',
    'm64, i32s = c7 /0 w1',
  ],
  movabs: 'r64, i64 = b8 +r w1',
  movzx: ['r, r8/m8 = 0f b6', 'r, r16/m16 = 0f b7 no16'],
  movsx: ['r, r8/m8 = 0f be', 'r, r16/m16 = 0f bf no16'],
  movsxd: 'r64, r32/m32 = 63 w1',
  lea: 'r, mem = 8d no16',
  /** 90 alone is `nop`: between eax and itself, which clears the upper half, it is not short. */
  xchg: [
    'eax, eax = 87 c0',
    'rax, rax = 90',
    'r, acc = 90 +r',
    'acc, r = 90 +r',
    'r8/m8, r8 = 86 mr',
    'r/m, r = 87 mr',
  ],
  push: ['r64 = 50 +r', 'm64 = ff /6', 'i8 = 6a', 'i32s = 68'],
  pop: ['r64 = 58 +r', 'm64 = 8f /0'],

  add: arithmetic(0),
  or: arithmetic(1),
  adc: arithmetic(2),
  sbb: arithmetic(3),
  and: arithmetic(4),
  sub: arithmetic(5),
  xor: arithmetic(6),
  cmp: arithmetic(7),
  test: [
    'r8/m8, r8 = 84 mr',
    'r/m, r = 85 mr',
    'al, u8 = a8',
    'acc, i = a9',
    'r8/m8, u8 = f6 /0',
    'r/m, i = f7 /0',
  ],
  not: unary(2),
  neg: unary(3),
  mul: unary(4),
  imul: ['r, r/m = 0f af', 'r, r/m, i8 = 6b', 'r, r/m, i = 69', 'r8/m8 = f6 /5', 'r/m = f7 /5'],
  div: unary(6),
  idiv: unary(7),
  inc: ['r8/m8 = fe /0', 'r/m = ff /0'],
  dec: ['r8/m8 = fe /1', 'r/m = ff /1'],
  /** Sign-extends eax into edx, rax into rdx: before `idiv`. */
  cdq: '= 99',
  cqo: '= 99 w1',
  cdqe: '= 98 w1',

  rol: shift(0),
  ror: shift(1),
  shl: shift(4),
  shr: shift(5),
  sar: shift(7),
  shld: ['r/m, r, u8 = 0f a4 mr', 'r/m, r, cl = 0f a5 mr'],
  shrd: ['r/m, r, u8 = 0f ac mr', 'r/m, r, cl = 0f ad mr'],
  /** BMI2: shifts by any register, without touching the flags. */
  shlx: 'r, r/m, r = vex 66 0f38 f7 rmv no16',
  sarx: 'r, r/m, r = vex f3 0f38 f7 rmv no16',
  shrx: 'r, r/m, r = vex f2 0f38 f7 rmv no16',
  rorx: 'r, r/m, u8 = vex f2 0f3a f0 no16',
  mulx: 'r, r, r/m = vex f2 0f38 f6 no16',
  andn: 'r, r, r/m = vex np 0f38 f2 no16',
  bextr: 'r, r/m, r = vex np 0f38 f7 rmv no16',
  bzhi: 'r, r/m, r = vex np 0f38 f5 rmv no16',
  pdep: 'r, r, r/m = vex f2 0f38 f5 no16',
  pext: 'r, r, r/m = vex f3 0f38 f5 no16',
  blsr: 'r, r/m = vex np 0f38 f3 /1 no16',
  blsi: 'r, r/m = vex np 0f38 f3 /3 no16',
  blsmsk: 'r, r/m = vex np 0f38 f3 /2 no16',

  bt: bitTest(4, 'a3'),
  bts: bitTest(5, 'ab'),
  btr: bitTest(6, 'b3'),
  btc: bitTest(7, 'bb'),
  bsf: 'r, r/m = 0f bc',
  bsr: 'r, r/m = 0f bd',
  popcnt: 'r, r/m = f3 0f b8',
  tzcnt: 'r, r/m = f3 0f bc',
  lzcnt: 'r, r/m = f3 0f bd',
  bswap: ['r32 = 0f c8 +r', 'r64 = 0f c8 +r w1'],

  jmp: ['rel = jump eb e9', 'r64/m64 = ff /4'],
  call: ['rel = jump - e8', 'r64/m64 = ff /2'],
  ret: '= c3',
  ...perCondition('j', 'rel = jump', (code) => `jump ${hex(0x70 + code)} 0f${hex(0x80 + code)}`),
  ...perCondition('set', 'r8/m8 = setcc', (code) => `0f ${hex(0x90 + code)} /0`),
  ...perCondition('cmov', 'r, r/m = cmov', (code) => `0f ${hex(0x40 + code)}`),

  lock_add: locked(0),
  lock_or: locked(1),
  lock_and: locked(4),
  lock_sub: locked(5),
  lock_xor: locked(6),
  lock_inc: ['m8 = lock fe /0', 'm16 = lock 66 ff /0', 'm32 = lock ff /0', 'm64 = lock ff /0 w1'],
  lock_dec: ['m8 = lock fe /1', 'm16 = lock 66 ff /1', 'm32 = lock ff /1', 'm64 = lock ff /1 w1'],
  lock_xadd: ['m8, r8 = lock 0f c0 mr', 'm, r = lock 0f c1 mr'],
  lock_cmpxchg: ['m8, r8 = lock 0f b0 mr', 'm, r = lock 0f b1 mr'],
  xadd: ['r8/m8, r8 = 0f c0 mr', 'r/m, r = 0f c1 mr'],
  cmpxchg: ['r8/m8, r8 = 0f b0 mr', 'r/m, r = 0f b1 mr'],

  rep_movsb: '= f3 a4',
  rep_movsq: '= f3 a5 w1',
  rep_stosb: '= f3 aa',
  rep_stosq: '= f3 ab w1',

  pause: '= f3 90',
  syscall: '= 0f 05',
  cpuid: '= 0f a2',
  xgetbv: '= 0f 01 d0',
  rdtsc: '= 0f 31',
  rdtscp: '= 0f 01 f9',
  rdpid: 'r64 = f3 0f c7 /7',
  lfence: '= 0f ae e8',
  mfence: '= 0f ae f0',
  sfence: '= 0f ae f8',
  ud2: '= 0f 0b',
  int3: '= cc',
  nop: '= 90',
  leave: '= c9',
  prefetchnta: 'mem = 0f 18 /0',
  prefetcht0: 'mem = 0f 18 /1',
  prefetcht1: 'mem = 0f 18 /2',
  prefetcht2: 'mem = 0f 18 /3',
  prefetchw: 'mem = 0f 0d /1',
  clflushopt: 'mem = 66 0f ae /7',
  movnti: ['m32, r32 = 0f c3 mr', 'm64, r64 = 0f c3 mr w1'],
  ldmxcsr: 'm32 = 0f ae /2',
  stmxcsr: 'm32 = 0f ae /3',
} as const
