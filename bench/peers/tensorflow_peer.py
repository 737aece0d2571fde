"""TensorFlow with Keras' layers as a peer: `python tensorflow_peer.py THREADS`.

A training step (forward, gradient, optimizer) is one `tf.function`, without XLA, which is slower for most of these
on a CPU. Images are NHWC, the only layout that TensorFlow convolves on a CPU. Hyperparameters are PyTorch's.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import tensorflow as tf
from keras import layers
from serve import serve

threads = int(sys.argv[1])
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(threads)
keras.utils.set_random_seed(0)


def operation(f, *x):
    def make():
        tensors = [t() for t in x]
        return lambda: f(*tensors)

    return make


def training(network, loss, optimizer, *data):
    def make():
        model, trainer = network(), optimizer()
        batch = [d() for d in data]

        @tf.function
        def train(*batch):
            with tf.GradientTape() as tape:
                value = loss(model, *batch)
            weights = model.trainable_variables
            trainer.apply_gradients(zip(tape.gradient(value, weights), weights))
            return value

        return lambda: float(train(*batch))

    return make


# ---- losses and optimizers ------------------------------------------------------------------------


def cross_entropy(labels, logits):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


def classes(model, x, y):
    return cross_entropy(y, model(x, training=True))


def pairs(model, users, items):
    return cross_entropy(tf.range(4096), model((users, items)))


def forecast(model, x, y):
    return tf.reduce_mean(tf.square(model(x, training=True) - y))


adam = lambda: keras.optimizers.Adam(1e-3, epsilon=1e-8)
adamw = lambda: keras.optimizers.AdamW(1e-3, weight_decay=0.01, epsilon=1e-8)
sgd = lambda lr: lambda: keras.optimizers.SGD(lr, momentum=0.9)


# ---- layers that start as PyTorch's do -------------------------------------------------------------
# (An initializer gives the same numbers whenever it is used, so each layer has its own.)


def uniform():
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def dense(units, activation=None):
    return layers.Dense(units, activation, kernel_initializer=uniform())


def conv(channels, size, **options):
    return layers.Conv2D(channels, size, kernel_initializer=uniform(), **options)


def embedding(rows, width):
    normal = keras.initializers.RandomNormal(stddev=1.0)
    return layers.Embedding(rows, width, embeddings_initializer=normal)


# ---- networks -------------------------------------------------------------------------------------


def mlp():
    hidden = dense(128, "relu")
    return keras.Sequential([layers.Input((784,)), hidden, layers.Dropout(0.2), dense(10)])


def mnist_cnn():
    body = [conv(32, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten()]
    return keras.Sequential([layers.Input((28, 28, 1)), *body, dense(10)])


def cifar_cnn():
    filters = lambda channels: conv(channels, 3, activation="relu")
    pool = lambda: layers.MaxPooling2D(2)
    body = [filters(32), pool(), filters(64), pool(), filters(64), layers.Flatten()]
    return keras.Sequential([layers.Input((32, 32, 3)), *body, dense(64, "relu"), dense(10)])


def resnet18():
    def unit(x, channels, size, stride=1):
        # Padded by hand where strides would make "same" mean something else than in PyTorch.
        if size == 3 and stride == 2:
            x = layers.ZeroPadding2D(1)(x)
        padding = "valid" if stride == 2 else "same"
        x = conv(channels, size, strides=stride, padding=padding, use_bias=False)(x)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

    def block(x, channels, stride):
        y = unit(layers.ReLU()(unit(x, channels, 3, stride)), channels, 3)
        around = unit(x, channels, 1, stride) if stride == 2 else x
        return layers.ReLU()(y + around)

    image = layers.Input((32, 32, 3))
    x = layers.ReLU()(unit(image, 64, 3))
    for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        x = block(block(x, channels, stride), channels, 1)
    return keras.Model(image, dense(10)(layers.GlobalAveragePooling2D()(x)))


def infer_resnet():
    model = resnet18()
    x = tf.random.uniform((1, 32, 32, 3))
    call = tf.function(lambda x: model(x, training=False))
    return lambda: call(x)


def lstm():
    first = layers.LSTM(50, return_sequences=True)
    return keras.Sequential([layers.Input((100, 1)), first, layers.LSTM(50), dense(1)])


def gpt():
    context, width, heads = 128, 128, 4

    class Attention(layers.Layer):
        def __init__(self):
            super().__init__()
            self.qkv, self.out = dense(3 * width), dense(width)

        def call(self, x):
            parts = tf.reshape(self.qkv(x), (-1, context, 3, heads, width // heads))
            q, k, v = tf.unstack(parts, axis=2)
            y = keras.ops.dot_product_attention(q, k, v, is_causal=True)
            return self.out(tf.reshape(y, (-1, context, width)))

    class Positions(layers.Layer):
        def build(self, _):
            self.table = self.add_weight((context, width), keras.initializers.RandomNormal(stddev=1.0))

        def call(self, x):
            return x + self.table

    layer_norm = lambda: layers.LayerNormalization(epsilon=1e-5)
    gelu = lambda x: tf.nn.gelu(x, approximate=True)

    text = layers.Input((context,), dtype="int32")
    x = Positions()(embedding(65, width)(text))
    for _ in range(4):
        x = x + Attention()(layer_norm()(x))
        x = x + dense(width)(dense(4 * width, gelu)(layer_norm()(x)))
    return keras.Model(text, dense(65)(layer_norm()(x)))


def two_tower():
    ids = [layers.Input((), dtype="int32") for _ in range(2)]
    users, items = (embedding(n, 32)(x) for n, x in zip((943, 1682), ids))
    fit = lambda pair: tf.matmul(pair[0], pair[1], transpose_b=True)
    return keras.Model(ids, layers.Lambda(fit, output_shape=(None,))((users, items)))


@tf.function
def chain(x):
    y = tf.nn.relu(x * 2 + 1)
    y = tf.exp(-y)
    y = y / (y + 1)
    return tf.tanh(y) * x - 0.5


rand = lambda *s: lambda: tf.random.uniform(s)
normal = lambda *s: lambda: tf.random.normal(s)
ints = lambda below, *s: lambda: tf.random.uniform(s, maxval=below, dtype=tf.int32)
matmul = lambda n: operation(tf.matmul, normal(n, n), normal(n, n))
one = lambda: tf.ones(1)

serve(
    tf.__version__,
    {
        "add_1": operation(tf.add, one, one),
        "chain_1m": operation(chain, normal(1 << 20)),
        "softmax_4096x1000": operation(tf.nn.softmax, normal(4096, 1000)),
        "sum_rows_4096x4096": operation(lambda x: tf.reduce_sum(x, 0), normal(4096, 4096)),
        "matmul_256": matmul(256),
        "matmul_1024": matmul(1024),
        "matmul_2048": matmul(2048),
        "mlp_b32": training(mlp, classes, adam, rand(32, 784), ints(10, 32)),
        "mlp_b512": training(mlp, classes, adam, rand(512, 784), ints(10, 512)),
        "mnist_cnn_b32": training(mnist_cnn, classes, sgd(1e-3), rand(32, 28, 28, 1), ints(10, 32)),
        "cifar_cnn_b64": training(cifar_cnn, classes, adam, rand(64, 32, 32, 3), ints(10, 64)),
        "resnet18_cifar_b16": training(resnet18, classes, sgd(0.1), rand(16, 32, 32, 3), ints(10, 16)),
        "resnet18_cifar_infer_b1": infer_resnet,
        "lstm_b32": training(lstm, forecast, adam, rand(32, 100, 1), rand(32, 1)),
        "gpt_b8": training(gpt, classes, adamw, ints(65, 8, 128), ints(65, 8, 128)),
        "embedding_bag_two_tower_b4096": training(two_tower, pairs, adam, ints(943, 4096), ints(1682, 4096)),
    },
)
