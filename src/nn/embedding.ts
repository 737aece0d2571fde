// The embedding: a table of vectors, looked up by integers.

import type { DType } from '../base/dtype.js'
import { IndexError } from '../base/errors.js'
import { tensor } from '../tensor/create.js'
import { randn } from '../tensor/random.js'
import type { Tensor } from '../tensor/tensor.js'
import { Parameter } from '../tensor/variable.js'
import { embedding } from './functional/layers.js'
import { Module } from './module.js'
import { checkSizes } from './parameters.js'

export interface EmbeddingLayerOptions {
  /** An index whose vector starts as zeros and is not trained. Default none. */
  readonly paddingIdx?: number
  readonly dtype?: DType
}

/**
 * Vectors by index: integers [...] to [..., embeddingDim]. Mirrors `torch.nn.Embedding`: weight
 * [numEmbeddings, embeddingDim] starts as N(0, 1).
 */
export class Embedding extends Module {
  readonly weight: Parameter
  readonly paddingIdx: number | null

  constructor(
    readonly numEmbeddings: number,
    readonly embeddingDim: number,
    { paddingIdx, dtype = 'float32' }: EmbeddingLayerOptions = {},
  ) {
    super()
    checkSizes('Embedding', { numEmbeddings, embeddingDim })
    const at = paddingIdx === undefined || paddingIdx >= 0 ? paddingIdx : numEmbeddings + paddingIdx
    if (at !== undefined && !(Number.isInteger(at) && at >= 0 && at < numEmbeddings)) {
      const expected = `a paddingIdx in [${-numEmbeddings}, ${numEmbeddings - 1}]`
      throw new IndexError('Embedding', expected, String(paddingIdx))
    }
    this.paddingIdx = at ?? null
    const start = randn([numEmbeddings, embeddingDim], { dtype })
    if (at === undefined) this.weight = new Parameter(start)
    else {
      const values = start.dataSync()
      values.fill(0 as never, at * embeddingDim, (at + 1) * embeddingDim)
      this.weight = new Parameter(tensor(values, { shape: start.shape as number[] }))
    }
  }

  forward(indices: Tensor): Tensor {
    return embedding(indices, this.weight, { paddingIdx: this.paddingIdx })
  }

  override extraRepr(): string {
    const padding = this.paddingIdx === null ? '' : `, paddingIdx=${this.paddingIdx}`
    return `${this.numEmbeddings}, ${this.embeddingDim}${padding}`
  }
}
