#pragma once

#include <cstdint>

namespace rushes {

/// How much of a small picture is not found in the one before it, wherever each
/// block of it may have been, 0 (all is found) to 1: Note [Residual] in
/// src/block-matching.ts. Both are the cells of thumbnails.
/// `mismatch` is that of the two pictures.
double residualOf(
    const int16_t* current, const int16_t* previous, double mismatch);

}  // namespace rushes
