// The rounds: every peer times the same workload for a moment, one after another, and again.

import type { Measurement } from '../timing.js'
import { describeMachine } from './machine.js'
import type { Peer } from './peer.js'
import type { Failure, Prepared } from './protocol.js'
import type { Figures, Result } from './result.js'

export interface Plan {
  readonly rounds: number
  readonly seconds: number
  readonly threads: number
}

/** Each round begins with another peer, lest one always finds the machine as the same other left it. */
const rotated = <T>(items: readonly T[], by: number): T[] =>
  items.map((_, i) => items[(i + by) % items.length] as T)

/** Measures one workload on all peers that have it. */
export async function compare(
  workload: string,
  peers: readonly Peer[],
  { rounds, seconds, threads }: Plan,
): Promise<Result> {
  const failures = new Map<Peer, string>()
  const prepared = new Map<Peer, Prepared>()
  const medians = new Map<Peer, number[]>()
  const present = peers.filter((peer) => peer.has(workload))

  /** Leaves a peer out of the rest, with what it said. */
  const usable = <A extends object>(peer: Peer, answer: A | Failure): answer is A => {
    if ('error' in answer) failures.set(peer, answer.error)
    return !failures.has(peer)
  }

  for (const peer of present) {
    const answer = await peer.ask({ do: 'prepare', workload })
    if (usable<Prepared>(peer, answer)) prepared.set(peer, answer)
  }
  for (let round = 0; round < rounds; round++) {
    const running = present.filter((peer) => !failures.has(peer))
    for (const peer of rotated(running, round)) {
      const answer = await peer.ask({ do: 'time', seconds })
      if (!usable<Measurement>(peer, answer)) continue
      medians.set(peer, [...(medians.get(peer) ?? []), answer.median_us])
    }
  }

  const figures = (peer: Peer): Figures | Failure => {
    const error = failures.get(peer)
    if (error !== undefined) return { error }
    const times = medians.get(peer) as number[]
    return { version: peer.version, rounds: times, ...(prepared.get(peer) as Prepared) }
  }
  return {
    ...{ workload, date: new Date().toISOString(), machine: describeMachine(), threads, seconds },
    peers: Object.fromEntries(present.map((peer) => [peer.name, figures(peer)])),
  }
}
