import { describe, expect, test } from 'vitest'
import { ShapeError, ValueError } from '../base/errors.js'
import { arange, einsum, ones, type Tensor, tensor, zeros } from './index.js'

const counted = (...shape: number[]): Tensor =>
  arange(shape.reduce((n, d) => n * d, 1)).reshape(shape)

const [v, m, s] = [counted(3), counted(2, 3), counted(2, 2, 3)]

test.each<[string, Tensor[], Tensor]>([
  ['ij,jk->ik', [m, m.T], m.matmul(m.T)],
  ['ij,kj->ki', [m, m], m.matmul(m.T).T],
  ['bij,bkj->bik', [s, s], s.matmul(s.mT)],
  ['...ij,...kj->...ik', [s, s], s.matmul(s.mT)],
  ['...i,i', [s, v], s.matmul(v)],
  ['i,i', [v, v], v.dot(v)],
  ['i,j->ij', [v, v], v.outer(v)],
  ['ij->ji', [m], m.T],
  ['ij->', [m], m.sum()],
  ['ij->j', [m], m.sum(0)],
  ['ji', [m], m.T],
  ['ii', [counted(3, 3)], tensor(12)],
  ['ii->i', [counted(3, 3)], tensor([0, 4, 8])],
  ['iji->j', [counted(2, 3, 2)], tensor([7, 11, 15])],
  ['i,i,i->i', [v, v, v], tensor([0, 1, 8])],
  ['ij,j,i->', [m, v, tensor([1, 2])], tensor(33)],
  [' i j , j -> i ', [m, v], m.matmul(v)],
  ['i,->i', [v, tensor(2)], v.mul(2)],
  ['ij,k->i', [m, v], m.sum(1).mul(3)],
])('%s', (equation, tensors, expected) => {
  const got = einsum(equation, ...tensors)
  expect([got.shape, got.array()]).toEqual([expected.shape, expected.array()])
})

test('attention scores, and gradients', () => {
  const q = ones([1, 2, 2, 3], { requiresGrad: true })
  einsum('bhqd,bhkd->bhqk', q, ones([1, 2, 2, 3]))
    .sum()
    .backward()
  expect(q.grad?.sum().item()).toBe(24)
})

describe('refusals', () => {
  test.each<[string, Tensor[], string]>([
    ['ij,jk', [m], `einsum: Expected 2 tensors for 'ij,jk'. Received 1.`],
    ['ij->k', [m], `einsum: Expected an equation such as 'bij,bjk->bik'. Received 'ij->k'.`],
    ['ij->ii', [m], `Received 'ij->ii'.`],
    ['i1', [m], `Received 'i1'.`],
    ['i->i->i', [v], `Received 'i->i->i'.`],
    ['ijk', [m], `einsum: Expected a tensor with 3 axes for its term of 'ijk'. Received [2, 3].`],
    [
      'ij,jk->ik',
      [m, m],
      `einsum: Expected size 3 for 'j' in 'ij,jk->ik'. Received 2 (tensor is [2, 3]).`,
    ],
  ])('%s', (equation, tensors, message) => {
    expect(() => einsum(equation, ...tensors)).toThrow(message)
  })

  test('are typed', () => {
    expect(() => einsum('ij', zeros([2]))).toThrow(ShapeError)
    expect(() => einsum('?', zeros([2]))).toThrow(ValueError)
  })
})
