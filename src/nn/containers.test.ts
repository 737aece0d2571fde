import { describe, expect, test } from 'vitest'
import { ones } from '../tensor/create.js'
import { Flatten, Linear, type Module, ModuleDict, ModuleList, ReLU, Sequential } from './index.js'

describe('Sequential', () => {
  test('applies layers in order', () => {
    const net = new Sequential(new Flatten(), new Linear(6, 4), new ReLU(), new Linear(4, 2))
    expect(net.call(ones([5, 2, 3])).shape).toEqual([5, 2])
    expect(net.length).toBe(4)
    expect(net.at(-1)).toBe([...net][3])
    expect(net.namedParameters().map(([name]) => name)).toEqual([
      '1.weight',
      '1.bias',
      '3.weight',
      '3.bias',
    ])
  })

  test('names layers by keys, and grows', () => {
    const net = new Sequential({ a: new Linear(1, 1) }).append(new Linear(1, 2))
    expect(net.namedChildren().map(([name]) => name)).toEqual(['a', '1'])
    expect(net.call(ones([3, 1])).shape).toEqual([3, 2])
    expect(new Sequential().call(ones([2])).shape).toEqual([2])
  })

  test('takes modules only, and positions in range', () => {
    expect(() => new Sequential(new ReLU(), ((x: unknown) => x) as unknown as Module)).toThrow(
      'Sequential: Expected modules. Received function at 1.',
    )
    expect(() => new Sequential(new ReLU()).at(1)).toThrow(
      'Sequential.at: Expected an index in [-1, 0]. Received 1.',
    )
  })
})

test('ModuleList holds modules and is not called itself', () => {
  const list = new ModuleList([new Linear(2, 2)]).append(new Linear(2, 3))
  expect(list.length).toBe(2)
  expect(list.at(-1).outFeatures).toBe(3)
  expect(list.map((m) => m.inFeatures)).toEqual([2, 2])
  expect([...list].length).toBe(2)
  expect(list.namedParameters()[2]?.[0]).toBe('1.weight')
  expect(() => list.at(2)).toThrow('ModuleList.at: Expected an index in [-2, 1]. Received 2.')
  expect(() => list.call()).toThrow('ModuleList: Expected calls of its modules.')
})

test('ModuleDict holds modules by name', () => {
  const dict = new ModuleDict<Module>({ relu: new ReLU() }).set('fc', new Linear(1, 1))
  expect(dict.size).toBe(2)
  expect(dict.has('fc')).toBe(true)
  expect(dict.get('relu')).toBeInstanceOf(ReLU)
  expect([...dict].map(([name]) => name)).toEqual(['relu', 'fc'])
  expect(dict.namedParameters().map(([name]) => name)).toEqual(['fc.weight', 'fc.bias'])
  expect(() => dict.get('gelu')).toThrow(
    "ModuleDict.get: Expected one of 'relu', 'fc'. Received 'gelu'.",
  )
})
