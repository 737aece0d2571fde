import { describe, expect, test } from 'vitest'
import { ShapeError, TraceError, ValueError } from '../base/errors.js'
import { SGD } from '../optim/sgd.js'
import { manualSeed } from '../runtime/random.js'
import { compile } from '../tensor/compile.js'
import { ones, tensor, zeros } from '../tensor/create.js'
import { randn } from '../tensor/random.js'
import type { Tensor } from '../tensor/tensor.js'
import { Parameter, Variable, variable } from '../tensor/variable.js'
import {
  BatchNorm1d,
  Dropout,
  Flatten,
  Linear,
  Module,
  ModuleDict,
  ModuleList,
  ReLU,
  Sequential,
} from './index.js'

class Block extends Module {
  scale = new Parameter(ones([2]))
  forward(x: Tensor): Tensor {
    return x.mul(this.scale)
  }
}

const names = (m: Module): string[] => m.namedParameters().map(([name]) => name)

describe('what a module consists of', () => {
  class Mixed extends Module {
    fc1 = new Linear(3, 2)
    count = 7
    table = new Variable(zeros([2]), { requiresGrad: false })
    blocks = [new Block(), new Block()]
    byName = { left: new Block(), none: null }
    list = new ModuleList([new Linear(1, 1)])
    weight = new Parameter(ones([1]))
    trained = variable(1)
    constant = ones([3])
    forward(x: Tensor): Tensor {
      return x
    }
  }

  test('is found in its fields, a module before its children, under dotted names', () => {
    expect(names(new Mixed())).toEqual([
      'weight',
      'trained',
      'fc1.weight',
      'fc1.bias',
      'blocks.0.scale',
      'blocks.1.scale',
      'byName.left.scale',
      'list.0.weight',
      'list.0.bias',
    ])
    expect(new Mixed().namedBuffers().map(([name]) => name)).toEqual(['table'])
    expect(new Mixed().namedModules().map(([name]) => name)).toEqual([
      '',
      'fc1',
      'blocks.0',
      'blocks.1',
      'byName.left',
      'list',
      'list.0',
    ])
    expect(new Mixed().children().length).toBe(5)
    expect(new Mixed().numParameters()).toBe(1 + 1 + 8 + 2 + 2 + 2 + 2)
  })

  test('counts what is shared once among parameters, and under each name in the state', () => {
    class Tied extends Module {
      a = new Linear(2, 2)
      b = this.a
      again = this.a.weight
      forward(x: Tensor): Tensor {
        return x
      }
    }
    const tied = new Tied()
    expect(names(tied)).toEqual(['again', 'a.bias'])
    expect(tied.modules().length).toBe(2)
    expect(Object.keys(tied.stateDict())).toEqual(['again', 'a.weight', 'a.bias'])
  })

  test('goes round no circle', () => {
    class Circular extends Module {
      self: Module = this
      data: { back?: object } = {}
      fc = new Linear(1, 1)
      constructor() {
        super()
        this.data.back = this.data
      }
      forward(x: Tensor): Tensor {
        return x
      }
    }
    expect(names(new Circular())).toEqual(['fc.weight', 'fc.bias'])
    expect(new Circular().modules().length).toBe(2)
  })

  test('fields may be called as they like', () => {
    class Clash extends Module {
      name = new Linear(1, 1)
      mode = 'mine'
      hooks = [1]
      running = true
      forward(x: Tensor): Tensor {
        return this.name.call(x)
      }
    }
    const clash = new Clash()
    clash.eval()
    expect(clash.training).toBe(false)
    expect(clash.name.training).toBe(false)
    expect(clash.mode).toBe('mine')
    expect(names(clash)).toEqual(['name.weight', 'name.bias'])
    expect(clash.call(ones([1, 1])).shape).toEqual([1, 1])
    // JavaScript can hide even methods: the walk does not depend on them.
    Object.defineProperty(clash, 'training', { value: 'hidden', enumerable: true })
    Object.defineProperty(clash, 'children', { value: 3, enumerable: true })
    clash.train()
    expect(clash.name.training).toBe(true)
    expect(clash.toString()).toContain('(name): Linear(1, 1)')
    expect(clash.parameters().length).toBe(2)
  })
})

describe('calls', () => {
  test('go through hooks, which may change arguments and outputs', () => {
    const block = new Block()
    const seen: string[] = []
    const before = block.registerForwardPreHook((_, [x]) => {
      seen.push('before')
      return [(x as Tensor).add(1)]
    })
    const after = block.registerForwardHook((_, __, y) => {
      seen.push('after')
      return (y as Tensor).mul(10)
    })
    expect(block.call(ones([2])).array()).toEqual([20, 20])
    before.remove()
    expect(block.call(ones([2])).array()).toEqual([10, 10])
    after.remove()
    after.remove()
    expect(block.call(ones([2])).array()).toEqual([1, 1])
    expect(seen).toEqual(['before', 'after', 'after'])
  })

  test('keep what the outermost one returns over later steps', () => {
    const net = new Linear(4, 3000)
    const optimizer = new SGD(net.parameters(), { lr: 0.1 })
    const x = ones([4, 4])
    const large = net.call(x)
    const expected = net.call(x).dataSync()
    let loss = large.square().mean()
    for (let i = 0; i < 3; i++) {
      loss.backward()
      optimizer.step()
      loss = net.call(x).square().mean()
    }
    expect(large.dataSync()).toEqual(expected)
  })

  test('work after an error inside', () => {
    const net = new Sequential(new Linear(2, 2))
    expect(() => net.call(ones([1, 3]))).toThrow(ShapeError)
    const y = net.call(ones([1, 2]))
    expect(y.node.kept).toBe(true)
  })

  test('are typed by forward', () => {
    class Two extends Module {
      forward(x: Tensor, options: { readonly times: number }): { readonly y: Tensor } {
        return { y: x.mul(options.times) }
      }
    }
    expect(new Two().call(ones([1]), { times: 3 }).y.item()).toBe(3)
    // @ts-expect-error: a string is no options object
    const wrong = () => new Two().call(ones([1]), 'three')
    expect(wrong).toBeTypeOf('function')
    const any: Module = new Linear(1, 1)
    expect(any.call(ones([2, 1])).shape).toEqual([2, 1])
  })
})

describe('modes', () => {
  test('train and eval go down the tree', () => {
    const net = new Sequential(new Dropout(), new Sequential(new Dropout()))
    expect(
      net
        .eval()
        .modules()
        .map((m) => m.training),
    ).toEqual([false, false, false, false])
    net.train()
    expect(net.modules().every((m) => m.training)).toBe(true)
    expect(net.training).toBe(true)
  })

  test('a compiled function is traced again when one changes', () => {
    manualSeed(1)
    const net = new Dropout(0.5)
    const run = compile((x: Tensor) => net.call(x))
    const x = ones([1000])
    const dropped = (y: Tensor): boolean => y.eq(0).any().item() === 1
    expect(dropped(run(x))).toBe(true)
    net.eval()
    expect(dropped(run(x))).toBe(false)
    net.train()
    expect(dropped(run(x))).toBe(true)
    expect(run.plans).toBe(2)
  })

  test('gradients are forgotten, and turned off', () => {
    const net = new Linear(2, 1)
    net
      .call(ones([1, 2]))
      .sum()
      .backward()
    expect(net.weight.grad?.array()).toEqual([[1, 1]])
    net.zeroGrad()
    expect(net.weight.grad).toBe(null)
    net.requiresGrad_(false)
    expect(net.call(ones([1, 2])).requiresGrad).toBe(false)
    expect(names(net)).toEqual(['weight', 'bias'])
    expect(net.numParameters({ trainable: true })).toBe(0)
    net.requiresGrad_()
    expect(net.call(ones([1, 2])).requiresGrad).toBe(true)
    const inside = compile(() => net.requiresGrad_(false) && ones([1]))
    expect(() => inside()).toThrow(TraceError)
  })

  test('apply visits children first', () => {
    const seen: string[] = []
    new Sequential(new Flatten(), new ReLU()).apply((m) => seen.push(m.constructor.name))
    expect(seen).toEqual(['Flatten', 'ReLU', 'Sequential'])
  })
})

describe('state', () => {
  const make = (): Sequential => new Sequential(new Linear(3, 2), new BatchNorm1d(2))

  test('has the names of PyTorch, and does not change with training', () => {
    const net = make()
    const state = net.stateDict()
    expect(Object.keys(state)).toEqual([
      '0.weight',
      '0.bias',
      '1.weight',
      '1.bias',
      '1.running_mean',
      '1.running_var',
      '1.num_batches_tracked',
    ])
    const before = state['0.weight']!.array()
    for (let i = 0; i < 4; i++) {
      for (const p of net.parameters()) p.assignAdd(1)
      net.parameters()[0]!.realize()
    }
    expect(state['0.weight']!.array()).toEqual(before)
    expect(net.stateDict()['0.weight']!.array()).not.toEqual(before)
  })

  test('is taken over by another module, which then computes the same', () => {
    const [a, b] = [make(), make()]
    const x = randn([5, 3])
    a.call(x).realize()
    expect(b.loadStateDict(a.stateDict())).toEqual({ missing: [], unexpected: [] })
    a.eval()
    b.eval()
    expect(b.call(x).array()).toEqual(a.call(x).array())
  })

  test('casts to the dtype there is', () => {
    const net = new Linear(1, 1, { dtype: 'float64' })
    net.loadStateDict({ weight: tensor([[0.5]]), bias: tensor([3]) })
    expect(net.weight.dtype).toBe('float64')
    expect(net.call(tensor([[2]], { dtype: 'float64' })).item()).toBe(4)
  })

  test('names what is missing, unexpected or of another shape, and then changes nothing', () => {
    const net = make()
    const before = net.stateDict()
    const { '0.bias': _, ...without } = before
    expect(() => net.loadStateDict({ ...without, extra: ones([1]) })).toThrow(
      "Sequential.loadStateDict: Expected the 7 names of the module (or { strict: false }). Received a dict without '0.bias', and a dict with 'extra', which the module does not have.",
    )
    expect(() => net.loadStateDict({ ...before, '0.weight': ones([2, 2]) })).toThrow(
      "Sequential.loadStateDict: Expected '0.weight' [2, 3]. Received '0.weight' [2, 2].",
    )
    expect(() => net.loadStateDict({})).toThrow(ValueError)
    expect(() => net.loadStateDict({ '0.bias': [1] } as never)).toThrow(
      "Sequential.loadStateDict: Expected tensors by name. Received object for '0.bias'.",
    )
    expect(() => net.loadStateDict(null as never)).toThrow(
      'Expected tensors by name. Received null.',
    )
    expect(net.stateDict()['1.weight']!.array()).toEqual(before['1.weight']!.array())
    const lenient = net.loadStateDict(
      { '0.bias': tensor([7, 8], { dtype: 'float32' }), extra: ones([1]) },
      { strict: false },
    )
    expect(lenient.unexpected).toEqual(['extra'])
    expect(lenient.missing.length).toBe(6)
    expect(net.stateDict()['0.bias']!.array()).toEqual([7, 8])
  })

  test('takes no name for an entry of its own accord', () => {
    class Odd extends Module {
      toString$ = new Parameter(ones([1]))
      forward(x: Tensor): Tensor {
        return x
      }
    }
    expect(() => new Odd().loadStateDict({})).toThrow("'toString$'")
    const dict = new ModuleDict([['constructor', new Linear(1, 1)]])
    expect(() => dict.loadStateDict({})).toThrow("'constructor.weight'")
  })
})

describe('printing', () => {
  test('shows the tree', () => {
    const net = new Sequential({
      body: new Sequential(new Linear(4, 3), new ReLU()),
      head: new Linear(3, 1, { bias: false }),
    })
    expect(String(net)).toBe(
      [
        'Sequential(',
        '  (body): Sequential(',
        '    (0): Linear(4, 3)',
        '    (1): ReLU()',
        '  )',
        '  (head): Linear(3, 1, bias=false)',
        ')',
      ].join('\n'),
    )
  })
})
