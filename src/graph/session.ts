// The session: runs parts of a graph, and keeps the values of its variables.

import { Storage } from '../backends/storage.js'
import { ClosedError, FailedPreconditionError, TraceError } from '../base/errors.js'
import type { StaticShape } from '../base/shape.js'
import { currentDevice } from '../runtime/devices.js'
import { flushPending } from '../runtime/flush.js'
import { modes } from '../runtime/modes.js'
import { takeDraws } from '../runtime/random.js'
import { hasTarget } from '../runtime/update.js'
import { type Binding, Cell, CellRead, resolve, storedNode } from '../runtime/value.js'
import { wrap } from '../tensor/core.js'
import type { Tensor } from '../tensor/tensor.js'
import { type Feed, type Feeds, feedList } from './feed.js'
import { type Fetch, type Fetched, type FetchLeaf, fetchLeaves, packed } from './fetch.js'
import { defaultGraph, type Graph } from './graph.js'
import { Operation } from './operation.js'
import { buildPlan, type Plan, type Source } from './plan.js'
import type { GraphVariable } from './variable.js'

export interface RunOptions {
  /**
   * Values for tensors, in this run only: placeholders have to be fed, any other tensor may be, and then
   * what it is made from is not computed.
   */
  readonly feed?: Feeds | undefined
}

/** Plans kept per session; the one used longest ago goes first. */
const CAPACITY = 64

/**
 * Runs a graph. Mirrors `tf.Session`.
 *
 * @example
 * using session = new graph.Session(g)
 * session.run(g.globalVariablesInitializer())
 * const { loss } = session.run({ loss, step }, { feed: [[x, batch]] })
 */
export class Session {
  private cells = new Map<GraphVariable, Cell>()
  /** Plans by what they were built for; the order is that of their last use. */
  private readonly plans = new Map<string, Plan>()
  private closed = false

  /** @param graph Default: the default graph. */
  constructor(readonly graph: Graph = defaultGraph()) {}

  /**
   * Computes what is asked for, in one pass, and nothing else: a tensor used twice is computed once, and
   * assignments happen only if they are fetched, or something fetched is made from them. Variables read
   * as they were when the run began; to see an assignment, use the tensor it returns. If a run fails, no
   * variable has changed.
   *
   * @returns Tensors with values (which outlive the session), and `null` for operations, nested as the
   * fetches are.
   * @throws ClosedError after `close()`; FeedError for a feed that is missing or does not fit;
   * FailedPreconditionError for a variable that is not initialised.
   */
  run<const F extends Fetch>(fetches: F, { feed }: RunOptions = {}): Fetched<F> {
    if (this.closed) {
      throw new ClosedError('run', 'an open session', 'an attempt to use a closed Session')
    }
    if (modes.trace !== null) {
      throw new TraceError('run', 'a session run outside of compiled functions', 'a run inside one')
    }
    const leaves = fetchLeaves(this.graph, fetches)
    const feeds = feedList(this.graph, feed)
    const plan = this.planFor(leaves, feeds)
    const stored = this.execute(plan, feeds)
    const tensors = plan.answers.map((at) =>
      at < 0 ? null : tensorOf(stored[at] as Storage, plan.shapes[at] as StaticShape),
    )
    return packed(fetches, tensors)
  }

  /** Frees plans and the values of variables. Closing twice is fine. Mirrors `tf.Session.close`. */
  close(): void {
    this.closed = true
    for (const plan of this.plans.values()) plan.executable.dispose()
    this.plans.clear()
    this.cells.clear()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  private planFor(leaves: readonly FetchLeaf[], feeds: readonly Feed[]): Plan {
    let key = `${currentDevice().key}`
    for (const x of leaves) key += x instanceof Operation ? `,/${x.name}` : `,${x.node.id}`
    for (const { tensor, shape } of feeds) key += `;${tensor.node.id}:${shape.join('x')}`
    let plan = this.plans.get(key)
    if (plan === undefined) {
      plan = buildPlan(this.graph, leaves, feeds, (v) => hasTarget(this.cells.get(v)))
      if (this.plans.size >= CAPACITY) this.evict()
    } else this.plans.delete(key)
    this.plans.set(key, plan)
    return plan
  }

  private evict(): void {
    for (const [key, plan] of this.plans) {
      this.plans.delete(key)
      plan.executable.dispose()
      return
    }
  }

  /** Runs a plan; variables change once it is through. */
  private execute(plan: Plan, feeds: readonly Feed[]): Storage[] {
    const { sources, assigned } = plan
    // Eager variables that the graph reads may have assignments pending.
    if (sources.some((s) => s.kind === 'value' && s.value instanceof CellRead)) flushPending()
    const before = sources.map((s) => (s.kind === 'variable' ? this.cellOf(s.variable) : null))
    const firstDraw = takeDraws(plan.draws)
    const inputs = sources.map((s, i) => before[i]?.front ?? bind(s, feeds, firstDraw))
    const first = plan.shapes.length - assigned.length
    const targets: (Storage | null)[] = new Array(plan.shapes.length).fill(null)
    assigned.forEach((variable, j) => {
      const cell = this.cells.get(variable)
      targets[first + j] = cell === undefined ? freshStorage(variable) : cell.target()
    })
    const stored = plan.executable.run(inputs, targets)
    assigned.forEach((variable, j) => {
      const written = stored[first + j] as Storage
      const cell = this.cells.get(variable)
      if (cell !== undefined) cell.advance(written)
      else this.cells.set(variable, newCell(variable, written))
    })
    // Results are the user's for good: never a variable's own storage, nor an array that was fed.
    const shared = new Set<Binding | null>([...inputs, ...targets])
    return stored.map((x, j) => (j < first && shared.has(x) ? copyOf(x) : x))
  }

  private cellOf(variable: GraphVariable): Cell {
    const cell = this.cells.get(variable)
    if (cell !== undefined) return cell
    const { name } = variable.op
    throw new FailedPreconditionError(
      'run',
      `variable '${name}' with a value (run globalVariablesInitializer(), or its initializer, first)`,
      'one that is not initialised in this session',
      { variable: name },
    )
  }
}

/** The value of an input that is no variable of the graph. */
function bind(source: Source, feeds: readonly Feed[], firstDraw: number): Binding {
  if (source.kind === 'feed') return (feeds[source.index] as Feed).value
  if (source.kind === 'draw') return (firstDraw + source.index) | 0
  if (source.kind === 'variable') throw new Error('a variable is bound by its session')
  const { value } = source
  return value instanceof CellRead ? value.cell.front : resolve(value)
}

const tensorOf = (storage: Storage, shape: StaticShape): Tensor => wrap(storedNode(storage, shape))

const copyOf = (storage: Storage): Storage => Storage.of(storage.dtype, storage.read().slice())

function freshStorage({ dtype, size }: GraphVariable): Storage {
  const storage = new Storage(dtype, size, null)
  storage.pinned = true
  return storage
}

const newCell = (variable: GraphVariable, value: Storage): Cell =>
  new Cell(variable.staticShape, variable.dtype, value, variable.op.name)
