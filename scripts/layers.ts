// The rules of layering: which folder of src/ stands on which floor, and what breaks the order.

import path from 'node:path'
import { parseSync, Visitor } from 'rolldown/utils'

/** The floors of src/, top first. Imports go down; on one floor, sideways without cycles. */
export const FLOORS: readonly (readonly string[])[] = [
  ['cli', 'serve', 'distributed', 'board'],
  ['keras', 'graph', 'hub', 'onnx'],
  ['nn', 'optim', 'metrics', 'data', 'vision', 'text', 'datasets', 'io'],
  ['tensor'],
  ['runtime'],
  ['backends'],
  ['compiler'],
  ['transforms'],
  ['ir'],
  ['base'],
]

/** Where a file has an import, and what it leaves at run time: nothing, a load, or a later load. */
export interface Import {
  readonly specifier: string
  readonly line: number
  readonly kind: 'type' | 'value' | 'dynamic'
}

export interface Violation {
  readonly file: string
  readonly line: number
  readonly message: string
}

/** Files of src/ by their path relative to it (`nn/linear.ts`), with their text. */
export type Sources = ReadonlyMap<string, string>

/** An import from one file of src/ to another. */
interface Edge extends Import {
  readonly from: string
  readonly to: string
}

/** Every import, re-export, `import()` and `import('…')` type of a TypeScript file. */
export function importsOf(file: string, text: string): Import[] {
  const { program, module, errors } = parseSync(file, text)
  const problem = errors[0]
  if (problem !== undefined) throw new SyntaxError(`${file}: ${problem.message}`)

  const found: Import[] = []
  const add = (specifier: string, at: number, kind: Import['kind']): void => {
    found.push({ specifier, line: text.slice(0, at).split('\n').length, kind })
  }
  for (const { moduleRequest, entries, start } of module.staticImports) {
    const typeOnly = entries.length > 0 && entries.every((e) => e.isType)
    add(moduleRequest.value, start, typeOnly ? 'type' : 'value')
  }
  for (const { entries, start } of module.staticExports) {
    const from = entries.find((e) => e.moduleRequest)?.moduleRequest
    if (from) add(from.value, start, entries.every((e) => e.isType) ? 'type' : 'value')
  }
  new Visitor({
    ImportExpression({ source, start }) {
      if (source.type === 'Literal') add(String(source.value), start, 'dynamic')
    },
    TSImportType({ source, start }) {
      add(String(source.value), start, 'type')
    },
  }).visit(program)
  return found.sort((a, b) => a.line - b.line)
}

const isTest = (file: string): boolean => file.endsWith('.test.ts')

/** The folder that stands on a floor; `''` for files directly in src/, which are above all floors. */
const folderOf = (file: string): string =>
  file.includes('/') ? file.slice(0, file.indexOf('/')) : ''

/**
 * What of the compiler, which is a floor of its own, a file belongs to: a folder in it, or itself where it
 * stands in none; null outside.
 */
const partOf = (file: string): string | null => /^compiler\/[^/]+/.exec(file)?.[0] ?? null

const floorOf = (folder: string): number =>
  folder === '' ? -1 : FLOORS.findIndex((floor) => floor.includes(folder))

/** The file that `./x.js`, written in `from`, means: a path relative to src/, `../…` when outside. */
const resolve = (from: string, specifier: string): string =>
  path.posix.join(path.posix.dirname(from), specifier).replace(/\.js$/, '.ts')

/** What is wrong with one import; `null` when it is fine. */
function judge({ from, to, specifier }: Edge): string | null {
  if (/^tessera(\/|$)/.test(specifier)) {
    return `imports ${specifier}: inside src/, use relative paths`
  }
  if (to.startsWith('../')) return isTest(from) ? null : `imports ${specifier}, outside src/`
  const [lower, upper] = [folderOf(from), folderOf(to)]
  if (floorOf(upper) >= floorOf(lower)) return null
  const target = upper === '' ? 'the public face' : `${upper}/`
  return `${lower}/ imports ${specifier} from ${target}, which is a floor above`
}

/** Groups of nodes that reach one another (Tarjan's algorithm), only those with a cycle. */
function cyclesOf(graph: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const open: string[] = []
  const groups: string[][] = []
  const visit = (node: string): void => {
    const own = index.size
    index.set(node, own)
    low.set(node, own)
    open.push(node)
    for (const next of graph.get(node) ?? []) {
      if (!index.has(next)) visit(next)
      if (open.includes(next)) low.set(node, Math.min(low.get(node)!, low.get(next)!))
    }
    if (low.get(node) !== own) return
    const group = open.splice(open.indexOf(node))
    if (group.length > 1 || graph.get(node)?.has(node)) groups.push(group)
  }
  for (const node of graph.keys()) if (!index.has(node)) visit(node)
  return groups
}

/** The shortest way round that starts and ends at the first node in a group with a cycle. */
function roundTrip(group: readonly string[], graph: ReadonlyMap<string, ReadonlySet<string>>) {
  const start = [...group].sort()[0]!
  const ways: string[][] = [[start]]
  const seen = new Set<string>()
  for (const way of ways) {
    for (const next of graph.get(way.at(-1)!) ?? []) {
      if (next === start) return [...way, start]
      if (!group.includes(next) || seen.has(next)) continue
      seen.add(next)
      ways.push([...way, next])
    }
  }
  return [start]
}

function cycleViolations(
  edges: readonly Edge[],
  nodeOf: (file: string) => string,
  what: string,
): Violation[] {
  const graph = new Map<string, Set<string>>()
  for (const { from, to } of edges) {
    const [a, b] = [nodeOf(from), nodeOf(to)]
    graph.set(a, (graph.get(a) ?? new Set()).add(b))
  }
  return cyclesOf(graph).map((group) => {
    const way = roundTrip(group, graph)
    const edge = edges.find((e) => nodeOf(e.from) === way[0] && nodeOf(e.to) === way[1])!
    return { file: edge.from, line: edge.line, message: `${what} cycle: ${way.join(' -> ')}` }
  })
}

/**
 * Checks the imports of src/: floors are known, imports go down or sideways, folders of one floor do
 * not import each other in a circle (types excepted), nor do folders of the compiler (types count), and
 * neither do files (types and `import()` excepted).
 */
export function checkLayers(sources: Sources): { imports: number; violations: Violation[] } {
  const violations: Violation[] = []
  const edges: Edge[] = []
  for (const folder of new Set([...sources.keys()].map(folderOf))) {
    if (folder !== '' && floorOf(folder) < 0) {
      const message = `${folder}/ stands on no floor: add it to FLOORS in scripts/layers.ts`
      violations.push({ file: `${folder}/`, line: 1, message })
    }
  }
  for (const [file, text] of sources) {
    if (folderOf(file) !== '' && floorOf(folderOf(file)) < 0) continue
    for (const found of importsOf(file, text)) {
      const { specifier } = found
      if (!/^(\.|tessera(\/|$))/.test(specifier)) continue
      const edge: Edge = { ...found, from: file, to: resolve(file, specifier) }
      const message = judge(edge)
      if (message !== null) violations.push({ file, line: found.line, message })
      else edges.push(edge)
    }
  }
  const known = edges.filter((e) => sources.has(e.to))
  const inside = known.filter((e) => e.kind !== 'type')
  const sideways = inside.filter((e) => {
    const [a, b] = [folderOf(e.from), folderOf(e.to)]
    return a !== b && floorOf(a) === floorOf(b) && !isTest(e.from)
  })
  violations.push(...cycleViolations(sideways, folderOf, 'folder'))
  const parts = known.filter((e) => {
    const [a, b] = [partOf(e.from), partOf(e.to)]
    return a !== null && b !== null && a !== b && !isTest(e.from)
  })
  violations.push(...cycleViolations(parts, (file) => partOf(file) as string, 'folder'))
  const loads = inside.filter((e) => e.kind === 'value')
  violations.push(...cycleViolations(loads, (file) => file, 'import'))
  return { imports: edges.length, violations }
}
