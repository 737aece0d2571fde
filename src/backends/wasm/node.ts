// The parts that differ between Node.js and browsers: flags of V8, processors, environment, workers.

interface V8 {
  setFlagsFromString(flags: string): void
}
interface OperatingSystem {
  availableParallelism?(): number
  cpus(): readonly unknown[]
}

/** A built-in module of Node.js, or null elsewhere. Looked up so that bundlers for browsers see nothing. */
function builtin<T>(name: string): T | null {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(name: string): unknown; versions?: { node?: string } }
  }
  if (process?.versions?.node === undefined) return null
  return (process.getBuiltinModule?.(name) as T | undefined) ?? null
}

/** Lets V8 of Node 20 use relaxed SIMD, which later ones have without asking. */
export function prepareEngine(): void {
  const v8 = builtin<V8>('node:v8')
  const major = Number(process.versions?.v8?.split('.')[0] ?? 99)
  if (v8 && major < 12) v8.setFlagsFromString('--experimental-wasm-relaxed-simd')
}

/** How many threads this process may keep busy. */
export function processors(): number {
  const os = builtin<OperatingSystem>('node:os')
  if (os) return os.availableParallelism?.() ?? os.cpus().length
  return globalThis.navigator?.hardwareConcurrency ?? 1
}

/** An environment variable, where there are such things. */
export function environment(name: string): string | undefined {
  return builtin('node:os') ? process.env[name] : undefined
}
