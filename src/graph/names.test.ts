// Names: each once, scoped, given back when replaced.

import { describe, expect, test } from 'vitest'
import { ValueError } from '../base/errors.js'
import { Names, typeOf } from './names.js'

describe('Names', () => {
  test('numbers a name that is taken, past numbers that are taken themselves', () => {
    const names = new Names()
    expect(['add', 'add_1', 'add', 'add'].map((n) => names.unique(n))).toEqual([
      'add',
      'add_1',
      'add_2',
      'add_3',
    ])
  })

  test('prefixes names by scopes, which are numbered like names', () => {
    const names = new Names()
    const inner = (): string => names.unique('w')
    expect(names.within('layer', () => names.within('sub', inner))).toBe('layer/sub/w')
    expect(names.within('layer', inner)).toBe('layer_1/w')
    expect(names.unique('w')).toBe('w')
    expect(names.within('layer', () => names.unique('/layer/w'))).toBe('layer/w')
  })

  test('lets one operation have the name of a scope', () => {
    const names = new Names()
    const both = names.within('train', (scope) => [names.unique(scope), names.unique('step')])
    expect(both).toEqual(['train', 'train/step'])
    expect(names.unique('train')).toBe('train_1')
  })

  test('gives a released name out again', () => {
    const names = new Names()
    names.release(names.unique('Add'))
    expect(names.unique('Add')).toBe('Add')
    names.release(names.unique('Add'))
    expect(names.unique('Add')).toBe('Add_1')
  })

  test('refuses what is no name', () => {
    expect(() => new Names().unique('a b')).toThrow(ValueError)
    expect(() => new Names().unique('')).toThrow('name: Expected letters')
  })
})

test('types are as TensorFlow calls them', () => {
  expect(['matmul', 'add', 'reduceSum', 'softmax'].map(typeOf)).toEqual([
    'MatMul',
    'Add',
    'Sum',
    'Softmax',
  ])
})
