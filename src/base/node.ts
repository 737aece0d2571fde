// The parts of Node.js that are used where there are any, looked up so that bundlers for browsers see nothing.

interface Process {
  readonly versions?: { readonly node?: string }
  readonly env: Readonly<Record<string, string | undefined>>
  getBuiltinModule?(name: string): unknown
}

const host = (): Process | undefined => (globalThis as { process?: Process }).process

/** Whether this is Node.js at all. */
export const isNode = (): boolean => host()?.versions?.node !== undefined

/** A built-in module of Node.js (20.16 or newer), or null. */
export function builtin<T>(name: string): T | null {
  if (!isNode()) return null
  return (host()?.getBuiltinModule?.(name) as T | undefined) ?? null
}

/** As `builtin` where there is Node.js, older ones included. */
export async function loadBuiltin<T>(name: string): Promise<T> {
  // A name in the import itself would be seen by bundlers for browsers, of which some refuse it.
  return builtin<T>(name) ?? import(/* webpackIgnore: true */ /* @vite-ignore */ name)
}

/** An environment variable; undefined where it is not set, or empty. */
export const environment = (name: string): string | undefined => host()?.env?.[name] || undefined

interface FileSystem {
  readFileSync(path: string, encoding: 'utf8'): string
}

/** A file's text, or null. */
export function readText(path: string): string | null {
  try {
    return builtin<FileSystem>('node:fs')?.readFileSync(path, 'utf8') ?? null
  } catch {
    return null
  }
}
