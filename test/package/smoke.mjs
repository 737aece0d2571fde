// Run where the packed package is installed, on each Node.js version: it computes, and so do all doors.

import assert from 'node:assert/strict'
import * as tessera from 'tessera'
import * as data from 'tessera/data'
import * as datasets from 'tessera/datasets'
import * as graph from 'tessera/graph'
import * as io from 'tessera/io'
import * as nn from 'tessera/nn'
import * as optim from 'tessera/optim'

const { tensor } = tessera
const sum = tensor([
  [1, 2],
  [3, 4],
]).add(
  tensor([
    [5, 6],
    [7, 8],
  ]),
)
assert.deepEqual(sum.shape, [2, 2])
assert.deepEqual([...(await sum.data())], [6, 8, 10, 12])

// One identity for each class, whichever door it is imported through.
assert.equal(nn.Linear, tessera.nn.Linear)
assert.equal(optim.SGD, tessera.optim.SGD)
assert.equal(graph.Session, tessera.graph.Session)
assert.equal(data.DataLoader, tessera.data.DataLoader)
assert.equal(typeof datasets.mnist, 'function')
assert.ok(Object.keys(io).length > 0)

// A layer learns: one step of gradient descent makes the loss smaller.
const layer = new nn.Linear(2, 1)
const optimizer = new optim.SGD(layer.parameters(), { lr: 0.01 })
const loss = () =>
  layer
    .call(tensor([[1.5, 2.5]]))
    .square()
    .sum()
const before = loss()
before.backward()
optimizer.step()
assert.ok(loss().item() < before.item())
console.log(`tessera works on ${process.version}`)
