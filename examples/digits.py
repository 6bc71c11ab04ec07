"""A small network learns to read handwritten digits (scikit-learn's, 8x8 pixels) within seconds.

python examples/digits.py      writes digits.png: the first layer's filters, and what they make of some digits
"""

import numpy as np
import pictures
from convx import nn, optim
from sklearn.datasets import load_digits

rng = np.random.default_rng(0)
data = load_digits()
order = rng.permutation(len(data.target))
images = (data.images[order, None] / 16).astype(np.float32)
classes = data.target[order]
train, test = slice(360, None), slice(0, 360)

network = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1, bias=False, rng=rng),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1, bias=False, rng=rng),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.AvgPool2d(2),
    nn.Flatten(),
    nn.Linear(128, 10, rng=rng),
)
network[0].needs_input_gradient = False
epochs = 30
adam = optim.Adam(network.parameters())
for epoch in range(epochs):
    adam.lr = 1e-2 * (1 - epoch / epochs)
    for batch in np.array_split(rng.permutation(len(images[train])), 22):
        loss, gradient = nn.cross_entropy(network(images[train][batch]), classes[train][batch])
        adam.zero_grad()
        network.backward(gradient)
        adam.step()
    if epoch % 5 == 4:
        right = np.mean(network.eval(fold_batch_norm=True)(images[test]).argmax(axis=1) == classes[test])
        network.train()
        print(f"epoch {epoch + 1:2}  loss {loss:.4f}  held-out digits read right: {right:.1%}")

# A column for each filter, in which grey is 0, and below it what it makes of ten digits.
filters = network[0].weight.data[:, 0].repeat(2, axis=1).repeat(2, axis=2)
maps = network[:3].eval()(images[test][:10])
rows = [[np.ones((6, 6)), *(0.5 + filters / (2 * abs(filters).max()))]]
rows += [[digit[0], *(each / each.max())] for digit, each in zip(images[test][:10], maps, strict=True)]


def framed(tile):
    edge = (10 - len(tile)) // 2
    return np.pad(tile, edge, constant_values=1)


picture = np.block([[framed(tile) for tile in row] for row in rows])
pictures.write("digits.png", picture.repeat(5, axis=0).repeat(5, axis=1))
