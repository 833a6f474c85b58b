#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/shape.h"
#include "data/task.h"

namespace saltus {

/// A tapped value of one evaluated batch.
struct TapValue {
  const float* data;
  const Shape& shape;
};

/// One quantity that a probe computes: a scalar, or one number per layer and head.
struct Measure {
  std::string name;       // the variable's name in run.h5
  std::string long_name;  // what it is, with its equation's source
  bool per_head = false;
};

/// Turns tapped values into named measures, each the mean over a set's samples. A probe is a name plus an output: it says which taps
/// it reads, and a plan computes nothing else for it.
class Probe {
 public:
  virtual ~Probe() = default;
  virtual std::vector<std::string> taps() const = 0;
  virtual std::vector<Measure> measures() const = 0;
  /// How many numbers measure `m` has: 1, or layers * heads.
  virtual int size(const Measure& m) const = 0;
  /// Adds every measure's sum over the batch's samples to `sums`: the measures one after another, a per-head one [layer, head].
  /// `tap` finds the values of a name in taps(). Thread-safe.
  virtual void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap, std::span<double> sums) const = 0;
};

}  // namespace saltus
