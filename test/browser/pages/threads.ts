// How many threads take part in what is computed: read from the memory they share.

import {
  currentDeviceName,
  getNumThreads,
  manualSeed,
  randn,
  setNumThreads,
  type Tensor,
} from 'tessera'
import { LISTENING, TEAM } from '../../../src/backends/wasm/memory/layout.js'
import { digest } from './digest.js'

/** Memories that were made, the device's among them: whoever makes one leaves it here. */
const memories: WebAssembly.Memory[] = []
const { Memory } = WebAssembly
WebAssembly.Memory = class extends Memory {
  constructor(descriptor: WebAssembly.MemoryDescriptor) {
    super(descriptor)
    memories.push(this)
  }
}

/** A word of the device's memory, which is the one that grew large. */
function word(address: number): number {
  const [largest] = memories.map((m) => m.buffer).sort((a, b) => b.byteLength - a.byteLength)
  return new Int32Array(largest!)[address >> 2]!
}

/** Threads that were members of the team that ran the last segment. */
const members = (): number => (word(TEAM.state) >> 8) & 0xff

/** Runs products without a break, then with breaks, until all threads are there and have taken part. */
export async function products(threads: number) {
  currentDeviceName()
  setNumThreads(threads)
  manualSeed(1)
  const [x, y] = [randn([384, 384]).realize(), randn([384, 384]).realize()]
  const product = (): Tensor => x.matmul(y).realize()
  const first = await digest([product()])
  const listening: number[] = []
  let most = 0
  const digests = new Set<string>()
  for (let round = 0; round < 400 && most < threads; round++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    const z = product()
    most = Math.max(most, members())
    listening.push(word(LISTENING))
    if (round % 20 === 0) digests.add(await digest([z]))
  }
  digests.add(await digest([product()]))
  return {
    threads: getNumThreads(),
    most,
    listening: listening.at(-1),
    first,
    digests: [...digests],
  }
}

/** Many short steps on all threads, which meet at the end of each phase. */
export function meetings(count: number): number {
  const x = randn([64, 128]).realize()
  let y = x
  for (let i = 0; i < count; i++) {
    y = y.matmul(x.transpose()).tanh().matmul(x).softmax(1).realize()
  }
  return y.sum().item()
}
