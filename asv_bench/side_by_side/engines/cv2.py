"""OpenCV: filters of images."""

import cv2
import numpy as np

from side_by_side import layers
from side_by_side.engines import Unsupported


class Engine:
    version = cv2.__version__

    def __init__(self, threads):
        cv2.setNumThreads(threads)

    def prepare(self, layer, task, tensors):
        if task != layers.FILTER or layer.rank != 2:
            raise Unsupported("filters of images")
        image, kernel = tensors[0][0, 0], tensors[1][0, 0]
        out = np.zeros_like(image)
        border = cv2.BORDER_CONSTANT
        return lambda: cv2.filter2D(image, -1, kernel, dst=out, borderType=border), lambda _: out[None, None]
