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

// Every device that works here computes the same.
const x = tessera
  .arange(96 * 64)
  .reshape([96, 64])
  .div(1000)
const step = tessera.compile((/** @type {tessera.Tensor} */ a) =>
  a.matmul(a.transpose(0, 1)).relu().sum({ axis: 1 }),
)
const first = tessera.currentDeviceName()
const used = tessera.deviceInfo().filter((device) => device.available)
const expected = [...(await step(x).data())]
for (const { name } of used) {
  tessera.setDevice(name)
  for (let i = 0; i < 50; i++) step(x)
  const got = [...(await step(x).data())]
  for (const [i, v] of got.entries()) {
    assert.ok(
      Math.abs(Number(v) - Number(expected[i])) <= 1e-5 * Math.abs(Number(expected[i])),
      name,
    )
  }
}
const names = used.map((device) => device.name).join(', ')
console.log(`tessera works on ${process.version}, with ${first} first of ${names}`)
