// Trains a convolutional network on handwritten digits, tests it, saves it, and shows what it sees.
//
//   npm start                                  all 60,000 digits, three times
//   npm start -- --epochs 1 --limit 2000       a quick look
//   npm run example -- examples/mnist.ts --device reference

import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import {
  compile,
  currentDeviceName,
  data,
  datasets,
  F,
  getNumThreads,
  io,
  manualSeed,
  nn,
  noGrad,
  optim,
  setDevice,
  type Tensor,
} from 'tessera'
import { draw, sideBySide } from './picture.js'
import { Progress } from './progress.js'

type Digits = data.Dataset<[images: Tensor, labels: Tensor]>

/** Images [batch, 1, 28, 28] to a score for each digit [batch, 10]. */
class Net extends nn.Module {
  conv1 = new nn.Conv2d(1, 32, 3)
  pool = new nn.MaxPool2d(2)
  fc1 = new nn.Linear(32 * 13 * 13, 10)

  forward(x: Tensor): Tensor {
    return this.fc1.call(this.pool.call(F.relu(this.conv1.call(x))).flatten(1))
  }
}

/** Says what is wrong with the command line, and ends. */
function refuse(message: string): never {
  console.error(`mnist: ${message}`)
  process.exit(2)
}

function readFlags() {
  try {
    return parseArgs({
      options: {
        epochs: { type: 'string', default: '3' },
        limit: { type: 'string', default: '60000' },
        'batch-size': { type: 'string', default: '64' },
        seed: { type: 'string', default: '0' },
        device: { type: 'string' },
        out: { type: 'string', default: path.join(tmpdir(), 'tessera') },
      },
    }).values
  } catch (error) {
    return refuse((error as Error).message)
  }
}
const flags = readFlags()

/** A flag that is a whole number. */
function whole(name: 'epochs' | 'limit' | 'batch-size' | 'seed', least: number): number {
  const value = Number(flags[name])
  if (Number.isInteger(value) && value >= least) return value
  return refuse(`Expected --${name} of at least ${least}. Received ${flags[name]}.`)
}

const epochs = whole('epochs', 1)
const limit = whole('limit', 1)
const batchSize = whole('batch-size', 1)
if (flags.device !== undefined) setDevice(flags.device)
manualSeed(whole('seed', 0))

/** The first `limit` examples. */
const first = (digits: Digits): Digits =>
  limit >= digits.length
    ? digits
    : new data.Subset(
        digits,
        Array.from({ length: limit }, (_, i) => i),
      )

const train = first(await datasets.mnist({ split: 'train' }))
const test = await datasets.mnist({ split: 'test' })
const net = new Net()
const threads = getNumThreads()
console.log(`${net}\n`)
console.log(
  `${net.numParameters().toLocaleString('en-US')} parameters, ` +
    `${train.length.toLocaleString('en-US')} digits to learn from, ` +
    `device ${currentDeviceName()} with ${threads} thread${threads === 1 ? '' : 's'}\n`,
)

const optimizer = new optim.Adam(net.parameters(), { lr: 3e-3 })
// Each epoch takes steps of a third of the last one's. The compiled step reads the rate each time.
const schedule = new optim.ExponentialLR(optimizer, { gamma: 0.3 })

/** One step of training on a batch. Gives the loss, and how many of the batch were right. */
const step = compile((x: Tensor, y: Tensor) => {
  optimizer.zeroGrad()
  const scores = net.call(x)
  const loss = F.crossEntropy(scores, y)
  loss.backward()
  optimizer.step()
  return { loss, right: scores.argmax(1).eq(y).sum() }
})

// The first Ctrl-C ends training early, and what was learnt is kept; a second one ends the program.
let interrupted = false
process.once('SIGINT', () => {
  interrupted = true
})

const started = performance.now()
const loader = new data.DataLoader(train, { batchSize, shuffle: true })
for (let epoch = 1; epoch <= epochs && !interrupted; epoch++) {
  const progress = new Progress(`epoch ${epoch}/${epochs}`, train.length, { unit: 'images' })
  let [seen, right, loss] = [0, 0, 0]
  const status = (): string =>
    `loss ${(loss / seen).toFixed(4)}  accuracy ${((100 * right) / seen).toFixed(2)}%`
  for await (const [x, y] of loader) {
    if (interrupted) break
    const count = y.shape[0] as number
    const result = step(x, y)
    loss += result.loss.item() * count
    right += result.right.item()
    seen += count
    progress.update(seen, status)
  }
  if (seen > 0) progress.finish(seen, status())
  schedule.step()
}
const seconds = (performance.now() - started) / 1000

/** The network's guesses for all of a data set: the digit, and how sure it is. */
function guesses(model: nn.Module, digits: Digits): { digit: number[]; sureness: number[] } {
  model.eval()
  const guess = compile((x: Tensor) =>
    noGrad(() => F.softmax(model.call(x)).maxWithIndices({ axis: 1 })),
  )
  const [digit, sureness]: [number[], number[]] = [[], []]
  for (const [x] of new data.DataLoader(digits, { batchSize: 1000 })) {
    const { values, indices } = guess(x)
    digit.push(...(indices.dataSync() as Int32Array))
    sureness.push(...(values.dataSync() as Float32Array))
  }
  return { digit, sureness }
}

const [images, labels] = test.tensors
const truth = labels.dataSync() as Int32Array
const { digit, sureness } = guesses(net, test)
const correct = digit.filter((d, i) => d === truth[i]).length
console.log(`\n${interrupted ? 'interrupted' : 'trained'} after ${seconds.toFixed(1)} s`)
console.log(`test accuracy: ${(correct / test.length).toFixed(4)}`)

const file = path.join(flags.out, 'mnist.safetensors')
await io.saveSafetensors(file, net.stateDict(), { format: 'tessera', epochs: String(epochs) })
const loaded = new Net()
loaded.loadStateDict(await io.loadSafetensors(file))
const again = guesses(loaded, test)
if (again.digit.some((d, i) => d !== digit[i] || again.sureness[i] !== sureness[i])) {
  console.error('mnist: Expected equal predictions from the saved model. Received others.')
  process.exit(1)
}
console.log(`saved to ${file}; loaded back, it predicts the same\n`)

// A few it got right, and the first it got wrong.
const wrong = digit.findIndex((d, i) => d !== truth[i])
const shown = [0, 1, 2, 3, ...(wrong < 0 ? [4] : [wrong])]
const pixels = images.dataSync() as Float32Array
console.log(
  sideBySide(
    shown.map((i) => ({
      lines: draw({ pixels: pixels.subarray(i * 784, (i + 1) * 784), width: 28, height: 28 }),
      caption:
        digit[i] === truth[i]
          ? `${digit[i]} (${((sureness[i] as number) * 100).toFixed(1)}%)`
          : `${digit[i]}? It is ${truth[i]}`,
    })),
  ),
)
