// Trees: nested arrays and plain objects with leaves of one kind.

/** A leaf, or arrays and plain objects of trees. */
export type Tree<T> = T | readonly Tree<T>[] | { readonly [key: string]: Tree<T> }

function isPlainObject(x: unknown): x is Record<string, unknown> {
  if (typeof x !== 'object' || x === null) return false
  const prototype = Object.getPrototypeOf(x)
  return prototype === Object.prototype || prototype === null
}

/** Whether a value is an inner node of a tree: an array or a plain object. */
export const isBranch = (x: unknown): x is readonly unknown[] | Record<string, unknown> =>
  Array.isArray(x) || isPlainObject(x)

/** The tree with every leaf replaced; arrays stay arrays, objects keep their keys and order. */
export function mapTree<T, U>(tree: Tree<T>, fn: (leaf: T) => U): Tree<U> {
  if (Array.isArray(tree)) return tree.map((x) => mapTree(x as Tree<T>, fn))
  if (isPlainObject(tree)) {
    const out: Record<string, Tree<U>> = {}
    for (const [key, value] of Object.entries(tree)) out[key] = mapTree(value as Tree<T>, fn)
    return out
  }
  return fn(tree as T)
}

/** The leaves in order. */
export function flatten<T>(tree: Tree<T>, into: T[] = []): T[] {
  if (Array.isArray(tree)) for (const x of tree) flatten(x as Tree<T>, into)
  else if (isPlainObject(tree)) for (const x of Object.values(tree)) flatten(x as Tree<T>, into)
  else into.push(tree as T)
  return into
}

/** Text that is equal for trees of equal structure. */
export function structure(tree: unknown): string {
  if (Array.isArray(tree)) return `[${tree.map(structure).join(',')}]`
  if (isPlainObject(tree)) {
    return `{${Object.entries(tree)
      .map(([k, v]) => `${JSON.stringify(k)}:${structure(v)}`)
      .join(',')}}`
  }
  return '*'
}
