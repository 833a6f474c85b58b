#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/dim.h"

namespace saltus {

enum class ValueType { f32, f64, i32 };

/// Bytes of one value.
std::size_t size_of(ValueType type);
const char* name_of(ValueType type);

/// A quantity that gets one more entry with every row of its table.
struct Variable {
  std::string name;
  std::vector<std::string> dims = {};  // of one entry, names from Table::dims; the growing dimension comes before them
  ValueType type = ValueType::f32;
  std::string long_name = {};
  std::string units = {};
};

/// Values that stay the same for the whole run: the probe batch behind the attention maps, for example.
struct Constant {
  std::string name;
  std::vector<std::string> dims;
  std::variant<std::vector<float>, std::vector<double>, std::vector<std::int32_t>> data;  // row-major
  std::string long_name = {};
  std::string units = {};
};

/// One group of run.h5: what is measured at the same steps. The first variable is the one a viewer plots unasked
/// (NXdata's signal).
struct Table {
  std::string group;
  std::string growing = "step";  // the growing dimension; its coordinate holds the rows' steps. Empty: constants alone
  std::string growing_long_name = "optimizer steps taken before the measurement";
  std::string growing_units = "optimizer steps";
  std::vector<Dim> dims = {};
  std::vector<Variable> variables = {};
  std::vector<Constant> constants = {};
  /// Rows per HDF5 chunk at most. Series are read along the steps, so many rows share a chunk; 1 suits snapshots, read
  /// one by one.
  std::int64_t chunk_rows = 1024;
  /// Rows may be appended after later ones, as snapshots are that were kept until a jump was seen; run.h5 shows them in order of steps.
  bool late_rows = false;
};

using Layout = std::vector<Table>;

/// Throws Error unless xarray will open every group of the layout: names are words (letters, digits, "_", and "."
/// inside; not starting with a digit) and unique in their group; a variable's axes are declared and differ from each
/// other; labels and data fit their sizes; no `units` that xarray would take for a time. Fills in Dim::size from the
/// labels.
Layout validated(Layout layout);

/// The dimension called `name`, which exists in a validated table.
const Dim& dim_of(const Table& table, std::string_view name);

ValueType type_of(const Constant& constant);

/// Number of values in one entry with these axes.
std::int64_t entry_size(const Table& table, const std::vector<std::string>& dims);

/// Everything about the layout that gives a row its meaning, one fact a line.
std::string describe(const Layout& layout);

}  // namespace saltus
