#include "train/layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <set>

#include "core/check.h"

namespace saltus {
namespace {

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_name(std::string_view name) {
  if (name.empty() || (name.front() >= '0' && name.front() <= '9') || name.front() == '.' || name.back() == '.')
    return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return is_word_character(c) || c == '.'; });
}

void check_name(const std::string& name, const char* what, const std::string& group) {
  check(is_name(name), "run file, group \"{}\": \"{}\" cannot be the name of a {} (letters, digits, _ and inner dots)",
        group, name, what);
}

/// xarray turns a variable with such units into dates or durations.
bool means_time(const std::string& units) {
  static constexpr std::array<std::string_view, 7> kDurations = {
      "days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"};
  return units.find(" since ") != std::string::npos ||
         std::find(kDurations.begin(), kDurations.end(), units) != kDurations.end();
}

void check_axes(const Table& table, const std::string& name, const std::vector<std::string>& dims) {
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const bool declared =
        std::any_of(table.dims.begin(), table.dims.end(), [&](const Dim& dim) { return dim.name == dims[i]; });
    check(declared, "run file: {}/{} has an axis \"{}\", which is no dimension of its table", table.group, name,
          dims[i]);
    check(std::find(dims.begin(), dims.begin() + static_cast<std::ptrdiff_t>(i), dims[i]) ==
              dims.begin() + static_cast<std::ptrdiff_t>(i),
          "run file: {}/{} has the axis \"{}\" twice: give the second one a name of its own, \"{}_2\"", table.group,
          name, dims[i], dims[i]);
  }
}

void check_dim(Dim& dim, const std::string& group) {
  const auto labels = static_cast<std::int64_t>(dim.labels.size()), values = static_cast<std::int64_t>(dim.values.size());
  dim.size = dim.length();
  check(dim.size > 0, "run file: dimension {}/{} is empty", group, dim.name);
  check(labels == 0 || labels == dim.size, "run file: dimension {}/{} has {} labels for size {}", group, dim.name,
        labels, dim.size);
  check(values == 0 || (values == dim.size && labels == 0), "run file: dimension {}/{} has {} values for size {}", group, dim.name, values, dim.size);
}

void check_table(Table& table) {
  check_name(table.group, "group", table.group);
  const bool grows = !table.growing.empty();
  check(grows != table.variables.empty(), "run file: group \"{}\" {}", table.group, grows ? "has no variables" : "has variables and no growing dimension");
  check(grows || !table.constants.empty(), "run file: group \"{}\" is empty", table.group);
  check(table.chunk_rows > 0, "run file: group \"{}\" has chunks of {} rows", table.group, table.chunk_rows);
  std::set<std::string> names;
  const auto take = [&](const std::string& name, const char* what) {
    check_name(name, what, table.group);
    check(names.insert(name).second, "run file: {}/{} is declared twice", table.group, name);
  };
  const auto check_units = [&](const std::string& name, const std::string& units) {
    check(!means_time(units), "run file: {}/{} has units \"{}\", which xarray would decode as a time", table.group,
          name, units);
  };

  if (grows) take(table.growing, "dimension");
  for (Dim& dim : table.dims) {
    take(dim.name, "dimension");
    check_dim(dim, table.group);
  }
  for (const Variable& variable : table.variables) {
    take(variable.name, "variable");
    check_axes(table, variable.name, variable.dims);
    check_units(variable.name, variable.units);
  }
  for (const Constant& constant : table.constants) {
    take(constant.name, "constant");
    check_axes(table, constant.name, constant.dims);
    check_units(constant.name, constant.units);
    const auto size =
        std::visit([](const auto& data) { return static_cast<std::int64_t>(data.size()); }, constant.data);
    check(size == entry_size(table, constant.dims), "run file: {}/{} holds {} values, its axes ask for {}", table.group,
          constant.name, size, entry_size(table, constant.dims));
  }
}

}  // namespace

std::size_t size_of(ValueType type) { return type == ValueType::f64 ? 8 : 4; }

const char* name_of(ValueType type) {
  switch (type) {
    case ValueType::f32:
      return "f32";
    case ValueType::f64:
      return "f64";
    case ValueType::i32:
      return "i32";
  }
  return "";
}

Layout validated(Layout layout) {
  std::set<std::string> groups;
  for (Table& table : layout) {
    check_table(table);
    check(groups.insert(table.group).second, "run file: group \"{}\" is declared twice", table.group);
  }
  return layout;
}

const Dim& dim_of(const Table& table, std::string_view name) {
  return *std::find_if(table.dims.begin(), table.dims.end(), [&](const Dim& dim) { return dim.name == name; });
}

ValueType type_of(const Constant& constant) {
  if (std::holds_alternative<std::vector<float>>(constant.data)) return ValueType::f32;
  return std::holds_alternative<std::vector<double>>(constant.data) ? ValueType::f64 : ValueType::i32;
}

std::int64_t entry_size(const Table& table, const std::vector<std::string>& dims) {
  std::int64_t size = 1;
  for (const std::string& name : dims) size *= dim_of(table, name).size;
  return size;
}

std::string describe(const Layout& layout) {
  std::string text;
  for (const Table& table : layout) {
    text += fmt::format("table {} by {}\n", table.group, table.growing);
    for (const Dim& dim : table.dims)
      text += fmt::format("dim {} {} [{}{}]\n", dim.name, dim.size, fmt::join(dim.labels, ", "), fmt::join(dim.values, ", "));
    for (const Variable& v : table.variables) {
      text += fmt::format("variable {} {} [{}]\n", v.name, name_of(v.type), fmt::join(v.dims, ", "));
    }
    for (const Constant& constant : table.constants) {
      const auto crc = std::visit(
          [](const auto& data) {
            return ::crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size() * sizeof(data[0]));
          },
          constant.data);
      text += fmt::format("constant {} [{}] crc {:08x}\n", constant.name, fmt::join(constant.dims, ", "), crc);
    }
  }
  return text;
}

}  // namespace saltus
