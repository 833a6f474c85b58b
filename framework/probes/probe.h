#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/dim.h"
#include "core/shape.h"
#include "data/task.h"

namespace saltus {

/// A tapped value of one evaluated batch.
struct TapValue {
  const float* data;
  const Shape& shape;
};

/// One quantity that a probe computes: a number, or an array of them with named axes.
struct Measure {
  std::string name;            // the variable's name in run.h5
  std::string long_name;       // what it is, with its equation's source
  std::vector<Dim> dims = {};  // a probe's measures that share an axis' name share the axis
  std::int64_t size() const {
    std::int64_t n = 1;
    for (const Dim& d : dims) n *= d.length();
    return n;
  }
};

/// Turns tapped values into named measures, each the mean over a set's samples. A probe is a name plus an output: it
/// says which taps it reads, and a plan computes nothing else for it.
class Probe {
 public:
  virtual ~Probe() = default;
  virtual std::vector<std::string> taps() const = 0;
  virtual std::vector<Measure> measures() const = 0;
  /// Adds every measure's sum over the batch's samples to `sums`: the measures one after another, each row-major. A
  /// measure of the weights alone adds its value times batch.size(). `tap` finds the values of a name in taps().
  /// Thread-safe.
  virtual void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                          std::span<double> sums) const = 0;
};

}  // namespace saltus
