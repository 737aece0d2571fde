"""The workloads' networks in PyTorch: layers, names and shapes as in `bench/workloads`."""

import torch
import torch.nn.functional as F
from torch import nn, optim


def mlp(dropout=0.2):
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Dropout(dropout), nn.Linear(128, 10))


def mnist_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 13 * 13, 10)
    )


def cifar_cnn():
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10)),
    )


class ResidualBlock(nn.Module):
    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        if channels_in == channels and stride == 1:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def resnet18(stages=(64, 128, 256, 512)):
    at = stages[0]
    layers = [nn.Conv2d(3, at, 3, padding=1, bias=False), nn.BatchNorm2d(at), nn.ReLU()]
    for index, channels in enumerate(stages):
        layers += [
            ResidualBlock(at, channels, 2 if index else 1),
            ResidualBlock(channels, channels, 1),
        ]
        at = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(at, 10))


class Lstm(nn.Module):
    def __init__(self, hidden=50):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, 2, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        states, _ = self.lstm(x)
        return self.out(states[:, -1])


class GptBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        batch, time, width = x.shape
        per_head = (batch, time, self.heads, width // self.heads)
        q, k, v = (p.reshape(per_head).transpose(1, 2) for p in self.qkv(self.norm1(x)).chunk(3, -1))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, time, width))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, vocabulary=65, context=128, width=128, heads=4, layers=4):
        super().__init__()
        self.characters = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(GptBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, text):
        x = self.characters(text) + self.positions(torch.arange(text.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class TwoTower(nn.Module):
    def __init__(self, users=943, items=1682, width=32):
        super().__init__()
        self.users = nn.Embedding(users, width)
        self.items = nn.Embedding(items, width)

    def forward(self, users, items):
        return self.users(users) @ self.items(items).T


def classes(model, x, y):
    return F.cross_entropy(model(x), y)


def next_characters(model, x, y):
    return F.cross_entropy(model(x).flatten(0, 1), y.flatten())


def pairs(model, users, items):
    return F.cross_entropy(model(users, items), torch.arange(len(users)))


def forecast(model, x, y):
    return F.mse_loss(model(x), y)


# Network, loss and optimizer of each kind of training.
TRAININGS = {
    "mlp": (mlp, classes, lambda p: optim.Adam(p)),
    "mnist_cnn": (mnist_cnn, classes, lambda p: optim.SGD(p, lr=1e-3, momentum=0.9)),
    "cifar_cnn": (cifar_cnn, classes, lambda p: optim.Adam(p)),
    "resnet18": (resnet18, classes, lambda p: optim.SGD(p, lr=0.1, momentum=0.9)),
    "lstm": (Lstm, forecast, lambda p: optim.Adam(p)),
    "gpt": (Gpt, next_characters, lambda p: optim.AdamW(p, lr=1e-3)),
    "two_tower": (TwoTower, pairs, lambda p: optim.Adam(p)),
}
