#include "train/run_reader.h"

#include <algorithm>
#include <filesystem>

#include "core/check.h"
#include "train/hdf5.h"

namespace saltus {
namespace {

std::string text_attribute(const hdf5::Handle& object, const std::string& name) {
  const std::optional<AttributeValue> value = hdf5::read_attribute(object, name);
  return value && std::holds_alternative<std::string>(*value) ? std::get<std::string>(*value) : "";
}

ValueType value_type(const hdf5::Handle& dataset) {
  const hdf5::Handle type(H5Dget_type(dataset.get()), "ask for a dataset's type");
  if (H5Tget_class(type.get()) == H5T_INTEGER) return ValueType::i32;
  return H5Tget_size(type.get()) == sizeof(float) ? ValueType::f32 : ValueType::f64;
}

bool holds_text(const hdf5::Handle& dataset) {
  const hdf5::Handle type(H5Dget_type(dataset.get()), "ask for a dataset's type");
  return H5Tget_class(type.get()) == H5T_STRING;
}

Dim fixed_dim(const hdf5::Handle& scale, const std::string& name) {
  Dim dim{.name = name,
          .size = static_cast<std::int64_t>(hdf5::dims_of(scale).at(0)),
          .labels = {},
          .long_name = text_attribute(scale, "long_name")};
  if (holds_text(scale)) dim.labels = hdf5::read_strings(scale, "read " + name);
  return dim;
}

hdf5::Handle open_run(const std::string& path) {
  std::error_code error;
  check_input(std::filesystem::exists(path, error), "there is no {}", path);
  const htri_t is_hdf5 = H5Fis_hdf5(path.c_str());
  check_input(is_hdf5 != 0, "{} is not an HDF5 file", path);
  return hdf5::open_file(path);
}

}  // namespace

struct RunReader::File {
  explicit File(const std::string& path) : handle(open_run(path)) {}
  hdf5::QuietErrors quiet;
  hdf5::Handle handle;
};

RunReader::RunReader(const std::string& path) : path_(path), file_(std::make_unique<File>(path)) {
  check_input(text("status") && integer("schema_version"),
              "{} is not a run of saltus: it has no status or no schema_version", path);
}

RunReader::~RunReader() = default;

std::optional<AttributeValue> RunReader::attribute(const std::string& name) const {
  return hdf5::read_attribute(file_->handle, name);
}

std::optional<std::string> RunReader::text(const std::string& name) const {
  const std::optional<AttributeValue> value = attribute(name);
  if (!value || !std::holds_alternative<std::string>(*value)) return std::nullopt;
  return std::get<std::string>(*value);
}

std::optional<std::int64_t> RunReader::integer(const std::string& name) const {
  const std::optional<AttributeValue> value = attribute(name);
  if (!value || !std::holds_alternative<std::int64_t>(*value)) return std::nullopt;
  return std::get<std::int64_t>(*value);
}

std::optional<double> RunReader::number(const std::string& name) const {
  const std::optional<AttributeValue> value = attribute(name);
  if (value && std::holds_alternative<double>(*value)) return std::get<double>(*value);
  const std::optional<std::int64_t> whole = integer(name);
  return whole ? std::optional<double>(static_cast<double>(*whole)) : std::nullopt;
}

bool RunReader::has_group(const std::string& group) const {
  return H5Lexists(file_->handle.get(), group.c_str(), H5P_DEFAULT) > 0;
}

Table RunReader::table(const std::string& group) const {
  const hdf5::Handle opened = hdf5::open_group(file_->handle, group);
  Table table{.group = group, .growing = "", .dims = {}, .variables = {}};
  for (const std::string& name : hdf5::member_names(opened)) {
    const hdf5::Handle dataset = hdf5::open_dataset(opened, name);
    if (hdf5::is_scale(dataset) && hdf5::grows(dataset)) {
      table.growing = name;
      table.growing_long_name = text_attribute(dataset, "long_name");
      table.growing_units = text_attribute(dataset, "units");
    } else if (hdf5::is_scale(dataset)) {
      table.dims.push_back(fixed_dim(dataset, name));
    } else if (hdf5::grows(dataset)) {
      std::vector<std::string> dims = hdf5::scale_names(dataset);
      check(std::none_of(dims.begin(), dims.end(), [](const std::string& dim) { return dim.empty(); }),
            "{}: {}/{} has an axis without a name", path_, group, name);
      dims.erase(dims.begin());
      table.variables.push_back(
          {name, dims, value_type(dataset), text_attribute(dataset, "long_name"), text_attribute(dataset, "units")});
    }
  }
  check(!table.growing.empty(), "{}: {} has no growing dimension", path_, group);
  return table;
}

std::vector<std::int64_t> RunReader::steps(const std::string& group) const {
  const hdf5::Handle opened = hdf5::open_group(file_->handle, group);
  for (const std::string& name : hdf5::member_names(opened)) {
    const hdf5::Handle dataset = hdf5::open_dataset(opened, name);
    if (!hdf5::is_scale(dataset) || !hdf5::grows(dataset)) continue;
    std::vector<std::int64_t> steps(hdf5::dims_of(dataset).at(0));
    if (!steps.empty()) hdf5::read_rows(dataset, H5T_NATIVE_INT64, 0, steps.size(), steps.data(), "read " + path_);
    return steps;
  }
  throw Error(fmt::format("{}: {} has no growing dimension", path_, group));
}

namespace {

/// Rows [first, rows) of a dataset, where `first` is at most the number of rows.
std::vector<double> rows_from(const hdf5::Handle& dataset, hsize_t first, const std::string& what) {
  const std::vector<hsize_t> dims = hdf5::dims_of(dataset);
  std::size_t size = dims.at(0) - first;
  for (std::size_t axis = 1; axis < dims.size(); ++axis) size *= dims[axis];
  std::vector<double> values(size);
  if (size > 0) hdf5::read_rows(dataset, H5T_NATIVE_DOUBLE, first, dims[0] - first, values.data(), what);
  return values;
}

}  // namespace

std::vector<double> RunReader::values(const std::string& group, const std::string& variable) const {
  const hdf5::Handle dataset = hdf5::open_dataset(hdf5::open_group(file_->handle, group), variable);
  return rows_from(dataset, 0, "read " + path_);
}

std::vector<double> RunReader::row(const std::string& group, const std::string& variable, std::size_t index) const {
  const hdf5::Handle dataset = hdf5::open_dataset(hdf5::open_group(file_->handle, group), variable);
  const std::vector<hsize_t> dims = hdf5::dims_of(dataset);
  check(index < dims.at(0), "{}: {}/{} has {} rows, not {}", path_, group, variable, dims[0], index + 1);
  std::size_t size = 1;
  for (std::size_t axis = 1; axis < dims.size(); ++axis) size *= dims[axis];
  std::vector<double> values(size);
  hdf5::read_rows(dataset, H5T_NATIVE_DOUBLE, index, 1, values.data(), "read " + path_);
  return values;
}

std::vector<double> RunReader::last_row(const std::string& group, const std::string& variable) const {
  const hdf5::Handle dataset = hdf5::open_dataset(hdf5::open_group(file_->handle, group), variable);
  const hsize_t rows = hdf5::dims_of(dataset).at(0);
  return rows_from(dataset, rows > 0 ? rows - 1 : 0, "read " + path_);
}

}  // namespace saltus
