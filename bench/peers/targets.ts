// What the bench is for: the steps that count, and the ratios tessera means to reach on each workload.

/** Training and inference steps: the workloads whose ratios are averaged. */
export const STEPS: readonly string[] = [
  'mlp_b32',
  'mlp_b512',
  'mnist_cnn_b32',
  'cifar_cnn_b64',
  'resnet18_cifar_b16',
  'resnet18_cifar_infer_b1',
  'lstm_b32',
  'gpt_b8',
  'embedding_bag_two_tower_b4096',
]

/** How many times as fast as the fastest peer. */
export const TARGETS: Readonly<Record<string, number>> = {
  add_1: 1,
  chain_1m: 1.5,
  softmax_4096x1000: 1.1,
  sum_rows_4096x4096: 1.3,
  matmul_256: 1.1,
  matmul_1024: 1,
  matmul_2048: 0.98,
  mlp_b32: 2,
  mlp_b512: 1.2,
  mnist_cnn_b32: 2,
  cifar_cnn_b64: 1.2,
  resnet18_cifar_b16: 1.15,
  resnet18_cifar_infer_b1: 1.6,
  lstm_b32: 2.5,
  gpt_b8: 1.3,
  embedding_bag_two_tower_b4096: 2,
}
