/* Template: the stencil part of a kernel table, from the stencil templates. */
#ifndef CX_KERNELS_STENCIL_TABLE_H
#define CX_KERNELS_STENCIL_TABLE_H

#include "kernels/stencil_channels.h"
#include "kernels/stencil_outer.h"
#include "kernels/stencil_planar.h"
#include "kernels/stencil_plane_outer.h"
#include "kernels/stencil_plane_spread.h"
#include "kernels/stencil_plane_tall.h"
#include "kernels/stencil_planes.h"

#define STENCIL_KERNELS                           \
    {                                             \
        .fill = stencil_fill,                     \
        .scatter = stencil_scatter,               \
        .join = stencil_join,                     \
        .planar = stencil_planar,                 \
        .outer = stencil_outer,                   \
        .channels = stencil_channels,             \
        .channels_outer = stencil_channels_outer, \
        .plane_masks = stencil_plane_masks,       \
        .plane = stencil_plane,                   \
        .plane_spread = stencil_plane_spread,     \
        .plane_outer = stencil_plane_outer,       \
        .collect = stencil_collect,               \
    }

#endif
