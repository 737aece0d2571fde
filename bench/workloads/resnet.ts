// ResNet-18 as it is used on CIFAR-10: a 3x3 stem without pooling, four stages of two blocks.
// He et al. 2015, [arXiv:1512.03385](https://arxiv.org/abs/1512.03385).

import { nn, optim, rand, type Tensor } from 'tessera'
import { classifying, type Training } from './workload.js'

const conv3x3 = (from: number, to: number, stride = 1): nn.Conv2d =>
  new nn.Conv2d(from, to, 3, { stride, padding: 1, bias: false })

/** Two convolutions, and a way around them. */
class Block extends nn.Module {
  readonly conv1: nn.Conv2d
  readonly bn1: nn.BatchNorm2d
  readonly conv2: nn.Conv2d
  readonly bn2: nn.BatchNorm2d
  readonly shortcut: nn.Module

  constructor(from: number, to: number, stride: number) {
    super()
    this.conv1 = conv3x3(from, to, stride)
    this.bn1 = new nn.BatchNorm2d(to)
    this.conv2 = conv3x3(to, to)
    this.bn2 = new nn.BatchNorm2d(to)
    this.shortcut =
      from === to && stride === 1
        ? new nn.Identity()
        : new nn.Sequential(
            new nn.Conv2d(from, to, 1, { stride, bias: false }),
            new nn.BatchNorm2d(to),
          )
  }

  forward(x: Tensor): Tensor {
    const y = this.bn1.call(this.conv1.call(x)).relu()
    return this.bn2.call(this.conv2.call(y)).add(this.shortcut.call(x)).relu()
  }
}

/** Channels of the four stages; each but the first halves the image. */
const STAGES = [64, 128, 256, 512]

export function resnet18(stages: readonly number[] = STAGES): nn.Sequential {
  const first = stages[0] as number
  const model = new nn.Sequential(conv3x3(3, first), new nn.BatchNorm2d(first), new nn.ReLU())
  let from = first
  for (const to of stages) {
    model.append(new Block(from, to, to === first ? 1 : 2)).append(new Block(to, to, 1))
    from = to
  }
  return model
    .append(new nn.AdaptiveAvgPool2d(1))
    .append(new nn.Flatten())
    .append(new nn.Linear(from, 10))
}

/** SGD with momentum. */
export function resnet18Cifar(batch: number, stages?: readonly number[]): Training {
  const model = resnet18(stages)
  const sgd = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 })
  return classifying(model, sgd, rand([batch, 3, 32, 32]))
}
