#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace saltus {

/// A named axis of fixed size. Its coordinate in run.h5 is `labels` or `values`, whichever is given, else 0, 1, ...,
/// size-1.
struct Dim {
  std::string name;
  std::int64_t size = 0;  // 0: as many as labels or values
  std::vector<std::string> labels = {};
  std::string long_name = {};
  std::vector<double> values = {};

  std::int64_t length() const {
    if (size > 0) return size;
    return static_cast<std::int64_t>(labels.empty() ? values.size() : labels.size());
  }
};

}  // namespace saltus
