// Training steps of small models as graphs, built from parameters alone: what the compiler is for.

import * as b from '../../src/ir/build.js'
import * as f from '../../src/ir/composites/index.js'
import type { Node } from '../../src/ir/node.js'
import { convAttrs } from '../../src/ir/primitives/convsamples.js'
import { parameter } from '../../src/ir/primitives/source.js'
import { expandComposites, gradients } from '../../src/transforms/grad.js'

export interface Step {
  /** The loss and the new values of everything that is trained. */
  readonly outputs: readonly Node[]
}

const float = (...shape: number[]): Node => parameter(shape, 'float32')
const mean = (x: Node): Node => {
  const all = b.reduceSum(
    x,
    x.shape.map((_, i) => i),
  )
  return b.div(
    all,
    b.constant(
      (x.shape as number[]).reduce((p, n) => p * n, 1),
      x.dtype,
    ),
  )
}

/** Adam on every parameter. */
function adam(loss: Node, params: readonly Node[]): Node[] {
  const [step, lr] = [float(), float()]
  const grads = gradients([loss], params)
  return params.flatMap((param, i) => {
    const grad = grads[i]
    if (!grad) return []
    const like = param.shape as number[]
    const next = f.adamUpdate({ param, grad, m: float(...like), v: float(...like), step, lr })
    return [next.param, next.m, next.v]
  })
}

function sgd(loss: Node, params: readonly Node[]): Node[] {
  const lr = float()
  const grads = gradients([loss], params)
  return params.flatMap((param, i) => {
    const grad = grads[i]
    return grad ? [f.sgdUpdate({ param, grad, lr }).param] : []
  })
}

const finish = (loss: Node, updates: readonly Node[]): Step => ({
  outputs: expandComposites([loss, ...updates]),
})

export function mlpStep(batch: number, sizes: readonly number[], optimizer = sgd): Step {
  let x = float(batch, sizes[0] as number)
  const params: Node[] = []
  for (let i = 1; i < sizes.length; i++) {
    const w = float(sizes[i] as number, sizes[i - 1] as number)
    const bias = float(sizes[i] as number)
    params.push(w, bias)
    x = f.linear(x, w, bias)
    if (i < sizes.length - 1) x = f.relu(x)
  }
  const loss = f.crossEntropy(x, parameter([batch], 'int32'))
  return finish(loss, optimizer(loss, params))
}

/** Two blocks of convolution, batch norm, ReLU and max pooling, then dropout and a linear layer. */
export function cnnStep(batch: number, side: number, channels: readonly [number, number]): Step {
  const [c1, c2] = channels
  const params: Node[] = []
  const param = (...shape: number[]): Node => {
    const p = float(...shape)
    params.push(p)
    return p
  }
  const block = (x: Node, from: number, to: number): Node => {
    const y = f.convBias(
      x,
      param(to, from, 3, 3),
      param(to),
      convAttrs(2, { low: [1, 1], high: [1, 1] }),
    )
    const [n] = f.batchNorm(y, param(to), param(to))
    return f.maxPool(f.relu(n), [2, 2])
  }
  let x = block(float(batch, 1, side, side), 1, c1)
  x = block(x, c1, c2)
  const features = c2 * Math.floor(side / 4) ** 2
  x = b.reshape(x, [batch, features])
  x = f.dropout(x, parameter([], 'int32'), parameter([], 'int32'), 0.25)
  x = f.linear(x, param(10, features), param(10))
  const loss = f.crossEntropy(x, parameter([batch], 'int32'))
  return finish(loss, adam(loss, params))
}

/** One block of a transformer: attention and a feed-forward part, each behind a layer norm. */
export function transformerStep(batch: number, time: number, width: number, heads: number): Step {
  const params: Node[] = []
  const param = (...shape: number[]): Node => {
    const p = float(...shape)
    params.push(p)
    return p
  }
  const x = float(batch, time, width)
  const each = width / heads
  const normed = f.layerNorm(x, param(width), param(width), { rank: 1 })
  const qkv = f.linear(normed, param(3 * width, width), param(3 * width))
  const part = (i: number): Node => {
    const p = b.slice(qkv, [0, 0, i * width], [batch, time, (i + 1) * width])
    return b.transpose(b.reshape(p, [batch, time, heads, each]), [0, 2, 1, 3])
  }
  const [q, k, v] = [part(0), part(1), part(2)]
  const batched = { leftBatch: [0, 1], rightBatch: [0, 1] }
  const scores = b.dot([q, k], { ...batched, leftContract: [3], rightContract: [3] })
  const scaled = b.mul(scores, b.fullLike(scores, 1 / Math.sqrt(each)))
  const rows = b.iota(scores.shape, 2, 'int32')
  const columns = b.iota(scores.shape, 3, 'int32')
  const masked = b.select(b.le(columns, rows), scaled, b.fullLike(scaled, Number.NEGATIVE_INFINITY))
  const weights = f.softmax(masked, [3])
  const mixed = b.dot([weights, v], { ...batched, leftContract: [3], rightContract: [2] })
  const joined = b.reshape(b.transpose(mixed, [0, 2, 1, 3]), [batch, time, width])
  const attended = b.add(x, f.linear(joined, param(width, width), param(width)))
  const second = f.layerNorm(attended, param(width), param(width), { rank: 1 })
  const hidden = f.gelu(f.linear(second, param(4 * width, width), param(4 * width)))
  const out = b.add(attended, f.linear(hidden, param(width, 4 * width), param(width)))
  const loss = mean(b.mul(out, out))
  return finish(loss, sgd(loss, params))
}

export { adam, sgd }
