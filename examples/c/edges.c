/*
 * edges in.pgm out.pgm: draw the edges of a picture, with one convolution layer of two Sobel filters.  C99.
 *
 *   cc -std=c99 edges.c $(pkg-config --cflags --libs convx) -lm -o edges
 *
 * or with CMakeLists.txt beside this file. SPDX-License-Identifier: BSD-3-Clause
 */
#include <convx.h>

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A picture in grey, rows from top to bottom, 0 (black) to 255. */
typedef struct picture {
    int width, height;
    unsigned char *pixels;
} picture;

/* The next number of a PGM header, past white space and comments; -1 if there is none. */
static int header_number(FILE *file) {
    int c = getc(file);
    while (isspace(c) || c == '#') {
        if (c == '#')
            while (c != '\n' && c != EOF) c = getc(file);
        else
            c = getc(file);
    }
    if (!isdigit(c)) return -1;
    int number = 0;
    for (; isdigit(c) && number < 100000; c = getc(file)) number = 10 * number + (c - '0');
    return number; /* and one byte of white space is consumed, as the format wants */
}

/* Returns NULL, or what is wrong. */
static const char *read_pgm(const char *path, picture *image) {
    FILE *file = fopen(path, "rb");
    if (!file) return "cannot be opened";
    const char *error = "is not a binary PGM (P5) of 8 bits";
    if (getc(file) == 'P' && getc(file) == '5') {
        image->width = header_number(file);
        image->height = header_number(file);
        int white = header_number(file);
        if (image->width > 0 && image->height > 0 && white == 255) {
            size_t size = (size_t)image->width * (size_t)image->height;
            image->pixels = malloc(size);
            if (!image->pixels)
                error = "needs more memory than there is";
            else
                error = fread(image->pixels, 1, size, file) == size ? NULL : "ends too early";
        }
    }
    fclose(file);
    return error;
}

static const char *write_pgm(const char *path, const picture *image) {
    FILE *file = fopen(path, "wb");
    if (!file) return "cannot be opened for writing";
    size_t size = (size_t)image->width * (size_t)image->height;
    int written = fprintf(file, "P5\n%d %d\n255\n", image->width, image->height) > 0;
    written = fwrite(image->pixels, 1, size, file) == size && written;
    return fclose(file) == 0 && written ? NULL : "cannot be written";
}

/* slopes: two planes as large as the picture, the slope to the right and the slope downwards. */
static convx_status sobel(const picture *image, const float *grey, float *slopes) {
    static const float filters[2][3][3] = {
        {{-0.25f, 0.0f, 0.25f}, {-0.5f, 0.0f, 0.5f}, {-0.25f, 0.0f, 0.25f}},
        {{-0.25f, -0.5f, -0.25f}, {0.0f, 0.0f, 0.0f}, {0.25f, 0.5f, 0.25f}},
    };
    const int64_t height = image->height, width = image->width;
    convx_conv_params layer = {0};
    layer.struct_size = sizeof layer;
    layer.dtype = CONVX_FLOAT32;
    layer.rank = 2;
    layer.padding_mode = CONVX_PAD_REPLICATE;
    layer.batch = layer.groups = layer.in_channels = 1;
    layer.out_channels = 2;
    layer.input[0] = layer.output[0] = height;
    layer.input[1] = layer.output[1] = width;
    for (int d = 0; d < 2; d++) {
        layer.kernel[d] = 3;
        layer.stride[d] = layer.dilation[d] = layer.pad_before[d] = layer.pad_after[d] = 1;
    }
    /* Strides in elements: batch, channel, row, column; the weights: filter, channel, row, column. */
    const int64_t input_strides[4] = {height * width, height * width, width, 1};
    const int64_t weight_strides[4] = {9, 9, 3, 1};
    const int64_t output_strides[4] = {2 * height * width, height * width, width, 1};
    for (int i = 0; i < 4; i++) {
        layer.input_strides[i] = input_strides[i];
        layer.weight_strides[i] = weight_strides[i];
        layer.output_strides[i] = output_strides[i];
    }
    return convx_conv_forward(&layer, grey, filters, NULL, slopes);
}

static const char *draw_edges(picture *image) {
    size_t size = (size_t)image->width * (size_t)image->height;
    float *grey = malloc(size * sizeof *grey);
    float *slopes = malloc(2 * size * sizeof *slopes);
    const char *error = "needs more memory than there is";
    if (grey && slopes) {
        for (size_t i = 0; i < size; i++) grey[i] = image->pixels[i];
        convx_status status = sobel(image, grey, slopes);
        error = status == CONVX_OK ? NULL : convx_status_string(status);
    }
    for (size_t i = 0; !error && i < size; i++) {
        float x = slopes[i], y = slopes[size + i];
        float steepness = floorf(sqrtf(x * x + y * y) + 0.5f);
        image->pixels[i] = steepness < 255.0f ? (unsigned char)steepness : 255;
    }
    free(grey);
    free(slopes);
    return error;
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: %s in.pgm out.pgm\n", arguments[0]);
        return 2;
    }
    picture image = {0, 0, NULL};
    const char *path = arguments[1];
    const char *error = read_pgm(path, &image);
    if (!error) error = draw_edges(&image);
    if (!error) {
        path = arguments[2];
        error = write_pgm(path, &image);
    }
    if (error)
        fprintf(stderr, "%s: %s\n", path, error);
    else
        printf("%s: edges of %d x %d pixels, convx %s\n", path, image.width, image.height, convx_version());
    free(image.pixels);
    return error ? 1 : 0;
}
