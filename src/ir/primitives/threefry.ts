// Threefry-2x32, the block cipher behind all random numbers, over whatever computes words of 32 bits: numbers
// for the reference, registers for kernels.
//
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

/** Arithmetic on 32-bit words. */
export interface Words<T> {
  constant(word: number): T
  /** Modulo 2³². */
  add(a: T, b: T): T
  xor(a: T, b: T): T
  /** By 1 to 31 places. */
  rotateLeft(a: T, places: number): T
}

/** Rotation distances, a round each, over and over. */
const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const
const ROUNDS = 20
/** The key schedule's parity constant, from Skein. */
const PARITY = 0x1bd11bda

/** Encrypts two words of counter under two words of key, in 20 rounds. */
export function threefry2x32<T>(
  words: Words<T>,
  key: readonly [T, T],
  counter: readonly [T, T],
): readonly [T, T] {
  const { constant, add, xor, rotateLeft } = words
  const schedule = [key[0], key[1], xor(xor(key[0], key[1]), constant(PARITY))] as const
  let x0 = add(counter[0], key[0])
  let x1 = add(counter[1], key[1])
  for (let round = 0; round < ROUNDS; round++) {
    x0 = add(x0, x1)
    x1 = xor(rotateLeft(x1, ROTATIONS[round % ROTATIONS.length]!), x0)
    if (round % 4 === 3) {
      const injection = (round + 1) / 4
      x0 = add(x0, schedule[injection % 3]!)
      x1 = add(x1, add(schedule[(injection + 1) % 3]!, constant(injection)))
    }
  }
  return [x0, x1]
}

/** Words as JavaScript's 32-bit integers. */
export const INTEGERS: Words<number> = {
  constant: (word) => word,
  add: (a, b) => (a + b) | 0,
  xor: (a, b) => a ^ b,
  rotateLeft: (a, places) => (a << places) | (a >>> (32 - places)),
}
