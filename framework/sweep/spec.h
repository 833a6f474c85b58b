#pragma once
#include <span>
#include <string>
#include <vector>

#include "config/reader.h"
#include "config/tree.h"

namespace saltus {

/// One dimension of a sweep: one key and its values, or several keys (a zip) that take their i-th values together.
struct SpecAxis {
  struct Key {
    std::string path;  // model.n_heads
    Place place;       // where it was named
    std::vector<ConfigNode> values;
  };
  std::vector<Key> keys;  // of equally many values
  std::size_t size() const { return keys[0].values.size(); }
};

/// A config file as a sweep: what all jobs share, and the axes that they differ along, in the order written.
struct SweepSpec {
  ConfigNode base;
  std::vector<SpecAxis> axes;
};

/// Reads a config with a top-level section `sweep:`, whose keys are those of the config, dotted or nested, each with
/// the values it takes (values.h), and `zip:`, a mapping (or a list of mappings) of keys that move together.
///
/// Overrides: `sweep.KEY=VALUES` means what `KEY: VALUES` means in the section. `KEY=TEXT` is an axis, too, when the
/// text stands for several values (seed=0..9, model.n_heads=1,2); anything else, lists in brackets and texts in quotes
/// included, is one value for all jobs. Either way a key that the file sweeps is swept no longer as the file says.
///
/// Throws Error (bad_input) naming the place of what is malformed, a key that is swept twice, keys of a zip that have
/// unequally many values, or when nothing is swept at all.
SweepSpec read_spec(const std::string& path, std::span<const Override> overrides);

}  // namespace saltus
