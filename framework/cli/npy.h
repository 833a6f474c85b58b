#pragma once
#include <string>

#include "core/shape.h"

namespace saltus::cli {

/// Writes a row-major array to `path` in NumPy's file format 1.0; numpy.load reads it. Throws Error when the file
/// cannot be written.
void write_npy(const std::string& path, const Shape& shape, DType dtype, const void* data);

}  // namespace saltus::cli
