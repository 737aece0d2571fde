// A small GPT over characters: pre-norm blocks of causal attention and a two-layer perceptron.

import { arange, F, nn, optim, randint, type Tensor } from 'tessera'
import type { Training } from './workload.js'

export interface GptSizes {
  readonly vocabulary: number
  readonly context: number
  readonly width: number
  readonly heads: number
  readonly layers: number
}

const SIZES: GptSizes = { vocabulary: 65, context: 128, width: 128, heads: 4, layers: 4 }

class Block extends nn.Module {
  readonly norm1: nn.LayerNorm
  readonly qkv: nn.Linear
  readonly out: nn.Linear
  readonly norm2: nn.LayerNorm
  readonly up: nn.Linear
  readonly down: nn.Linear

  constructor(
    width: number,
    readonly heads: number,
  ) {
    super()
    this.norm1 = new nn.LayerNorm(width)
    this.qkv = new nn.Linear(width, 3 * width)
    this.out = new nn.Linear(width, width)
    this.norm2 = new nn.LayerNorm(width)
    this.up = new nn.Linear(width, 4 * width)
    this.down = new nn.Linear(4 * width, width)
  }

  forward(x: Tensor): Tensor {
    const [batch, time, width] = x.shape as [number, number, number]
    const perHead = [batch, time, this.heads, width / this.heads]
    const [q, k, v] = this.qkv
      .call(this.norm1.call(x))
      .chunk(3, { axis: -1 })
      .map((part) => part.reshape(perHead).transpose(1, 2)) as [Tensor, Tensor, Tensor]
    const attended = F.scaledDotProductAttention(q, k, v, { isCausal: true })
    const y = x.add(this.out.call(attended.transpose(1, 2).reshape([batch, time, width])))
    const hidden = F.gelu(this.up.call(this.norm2.call(y)), { approximate: 'tanh' })
    return y.add(this.down.call(hidden))
  }
}

class Gpt extends nn.Module {
  readonly characters: nn.Embedding
  readonly positions: nn.Embedding
  readonly blocks: nn.ModuleList<Block>
  readonly norm: nn.LayerNorm
  readonly head: nn.Linear

  constructor({ vocabulary, context, width, heads, layers }: GptSizes) {
    super()
    this.characters = new nn.Embedding(vocabulary, width)
    this.positions = new nn.Embedding(context, width)
    this.blocks = new nn.ModuleList(Array.from({ length: layers }, () => new Block(width, heads)))
    this.norm = new nn.LayerNorm(width)
    this.head = new nn.Linear(width, vocabulary)
  }

  forward(text: Tensor): Tensor {
    const places = arange(text.shape[1] as number)
    let x = this.characters.call(text).add(this.positions.call(places))
    for (const block of this.blocks) x = block.call(x)
    return this.head.call(this.norm.call(x))
  }
}

/** The next character at each place; AdamW. */
export function gpt(batch: number, sizes: GptSizes = SIZES): Training {
  const model = new Gpt(sizes)
  const text = (): Tensor => randint(0, sizes.vocabulary, [batch, sizes.context])
  return {
    model,
    optimizer: new optim.AdamW(model.parameters(), { lr: 1e-3 }),
    data: [text(), text()],
    loss: (x, y) => F.crossEntropy(model.call(x as Tensor).flatten(0, 1), (y as Tensor).flatten()),
  }
}
