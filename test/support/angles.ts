// Sines of large numbers: JavaScript engines reduce angles by π as accurate as they like; we by 250 bits.

const BITS = 250n

/** π · 2^BITS, by Machin's formula. */
const PI = ((): bigint => {
  const one = 1n << (BITS + 20n)
  const arctangent = (inverse: bigint): bigint => {
    let [term, sum] = [one / inverse, 0n]
    for (let n = 1n; term !== 0n; n += 2n) {
      sum += (n % 4n === 1n ? term : -term) / n
      term /= inverse * inverse
    }
    return sum
  }
  return (4n * (4n * arctangent(5n) - arctangent(239n))) >> 20n
})()

/** A whole number less a multiple of 2π, in [-π, π], to the last bit of a double. */
export function withinTurn(x: number): number {
  const scaled = BigInt(x) << BITS
  let rest = scaled % (2n * PI)
  if (rest > PI) rest -= 2n * PI
  if (rest < -PI) rest += 2n * PI
  // So many bits of it that the rest does not matter, and a shift that is exact.
  return Number(rest >> 100n) / 2 ** Number(BITS - 100n)
}
