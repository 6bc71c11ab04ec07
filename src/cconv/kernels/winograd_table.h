/* Template: the Winograd part of a kernel table, from the Winograd templates. */
#ifndef CX_KERNELS_WINOGRAD_TABLE_H
#define CX_KERNELS_WINOGRAD_TABLE_H

#include "kernels/winograd_channels.h"
#include "kernels/winograd_filters.h"
#include "kernels/winograd_strips.h"
#include "kernels/winograd_tiles.h"

/* clang-format off */
#define WINOGRAD_KERNELS                             \
    {                                                \
        .filters = winograd_filters,                 \
        .input_tiles = winograd_input_tiles,         \
        .output_tiles = winograd_output_tiles,       \
        .input_channels = winograd_input_channels,   \
        .output_channels = winograd_output_channels, \
        .strip = winograd_strip,                     \
        .weights = winograd_weights,                 \
    }
/* clang-format on */

#endif
