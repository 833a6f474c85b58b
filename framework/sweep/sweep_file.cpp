#include "sweep/sweep_file.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>

#include "core/check.h"
#include "train/hdf5.h"
#include "train/hdf5_driver.h"
#include "train/posix.h"

namespace saltus {
namespace {

/// The number that all of a text stands for.
template <class T>
std::optional<T> number_in(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && text.find_first_of("0123456789") != std::string::npos ? std::optional(value) : std::nullopt;
}

template <class T>
std::optional<std::vector<T>> numbers_in(const std::vector<std::string>& texts) {
  std::vector<T> values;
  for (const std::string& text : texts) {
    const std::optional<T> value = number_in<T>(text);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

hdf5::Handle write_texts(const hdf5::Handle& group, const std::string& name, const std::vector<std::string>& texts) {
  hdf5::Handle dataset = hdf5::create_dataset(group, {name, hdf5::string_type().get(), {texts.size()}});
  hdf5::write_strings(dataset, texts, "write " + name);
  return dataset;
}

/// Texts as a dataset of what they stand for: integers, else numbers, else texts.
hdf5::Handle write_values(const hdf5::Handle& group, const std::string& name, const std::vector<std::string>& texts) {
  const hsize_t n = texts.size();
  if (const auto integers = numbers_in<std::int64_t>(texts)) {
    hdf5::Handle dataset = hdf5::create_dataset(group, {name, H5T_STD_I64LE, {n}});
    hdf5::write_all(dataset, H5T_NATIVE_INT64, integers->data(), "write " + name);
    return dataset;
  }
  if (const auto numbers = numbers_in<double>(texts)) {
    hdf5::Handle dataset = hdf5::create_dataset(group, {name, H5T_IEEE_F64LE, {n}});
    hdf5::write_all(dataset, H5T_NATIVE_DOUBLE, numbers->data(), "write " + name);
    return dataset;
  }
  return write_texts(group, name, texts);
}

void describe(const hdf5::Handle& dataset, const std::string& long_name, const std::string& units) {
  if (!long_name.empty()) hdf5::write_attribute(dataset, {"long_name", long_name});
  if (!units.empty()) hdf5::write_attribute(dataset, {"units", units});
}

std::vector<std::string> values_of(const SweepAxis& axis, std::size_t key) {
  std::vector<std::string> values;
  for (const std::vector<std::string>& at : axis.values) values.push_back(at[key]);
  return values;
}

/// One group being written.
class Group {
 public:
  Group(const hdf5::Handle& file, const Manifest& manifest, const MergedTable& merged,
        const std::vector<JobTexts>& texts)
      : merged_(merged), group_(hdf5::create_group(file, merged.table.group)) {
    add_attributes(manifest, texts);
    for (const SweepAxis& axis : manifest.axes) add_axis(axis);
    add_steps();
    for (const Dim& dim : merged.table.dims) add_dim(dim);
    for (const Variable& variable : merged.table.variables) add_variable(variable);
    for (const JobTexts& text : texts) add_texts(text, manifest.jobs);
  }

  void put(std::size_t variable, const SweepJob& job, std::span<const double> values) {
    if (values.empty()) return;
    std::vector<hsize_t> start(job.index.begin(), job.index.end()), count(job.index.size(), 1);
    for (const std::string& dim : dims_of(merged_.table.variables[variable])) {
      start.push_back(0);
      count.push_back(hdf5::dims_of(scales_.at(dim)).at(0));
    }
    hdf5::write_box(variables_[variable], H5T_NATIVE_DOUBLE, start, count, values.data(),
                    "write " + merged_.table.variables[variable].name);
  }

 private:
  /// Of one job's entries.
  std::vector<std::string> dims_of(const Variable& variable) const {
    std::vector<std::string> dims = variable.dims;
    dims.insert(dims.begin(), merged_.table.growing);
    return dims;
  }

  // `coordinates`, a convention of CF, is how xarray learns which variables say where an entry is, rather than what was
  // measured.
  void add_attributes(const Manifest& manifest, const std::vector<JobTexts>& texts) {
    std::string coordinates;
    for (const JobTexts& text : texts) coordinates += (coordinates.empty() ? "" : " ") + text.name;
    for (const SweepAxis& axis : manifest.axes) {
      for (std::size_t k = 1; k < axis.keys.size(); ++k) coordinates += " " + axis.keys[k];
    }
    hdf5::write_attribute(group_, {"coordinates", coordinates});
  }

  void add_axis(const SweepAxis& axis) {
    const std::string& name = axis.keys[0];
    hdf5::Handle scale = write_values(group_, name, values_of(axis, 0));
    hdf5::make_scale(scale, name);
    for (std::size_t k = 1; k < axis.keys.size(); ++k) {
      hdf5::attach_scale(write_values(group_, axis.keys[k], values_of(axis, k)), scale, 0,
                         "attach " + name + " to " + axis.keys[k]);
    }
    axes_.push_back(name);
    add_scale(name, std::move(scale));
  }

  void add_steps() {
    const Table& table = merged_.table;
    hdf5::Handle scale = hdf5::create_dataset(group_, {table.growing, H5T_STD_I64LE, {merged_.steps.size()}});
    hdf5::write_all(scale, H5T_NATIVE_INT64, merged_.steps.data(), "write " + table.growing);
    hdf5::make_scale(scale, table.growing);
    describe(scale, table.growing_long_name, table.growing_units);
    add_scale(table.growing, std::move(scale));
  }

  void add_dim(const Dim& dim) {
    std::vector<std::string> indices;
    for (std::int64_t i = 0; i < dim.size; ++i) indices.push_back(std::to_string(i));
    hdf5::Handle scale =
        dim.labels.empty() ? write_values(group_, dim.name, indices) : write_texts(group_, dim.name, dim.labels);
    hdf5::make_scale(scale, dim.name);
    describe(scale, dim.long_name, "");
    add_scale(dim.name, std::move(scale));
  }

  void add_scale(const std::string& name, hdf5::Handle scale) {
    const bool is_new = scales_.emplace(name, std::move(scale)).second;
    check(is_new, "{} has a dimension {} of its own: a sweep over {} cannot be collected", merged_.table.group, name,
          name);
  }

  void add_variable(const Variable& variable) {
    std::vector<std::string> dims = axes_;
    for (const std::string& dim : dims_of(variable)) dims.push_back(dim);
    variables_.push_back(add_array(variable.name, H5T_IEEE_F64LE, dims, std::numeric_limits<double>::quiet_NaN()));
    describe(variables_.back(), variable.long_name, variable.units);
  }

  void add_texts(const JobTexts& text, const std::vector<SweepJob>& jobs) {
    const hdf5::Handle strings = hdf5::string_type();
    const hdf5::Handle dataset = add_array(text.name, strings.get(), axes_, {});
    for (std::size_t j = 0; j < jobs.size(); ++j) {
      const std::vector<hsize_t> start(jobs[j].index.begin(), jobs[j].index.end()), count(start.size(), 1);
      const char* value = text.values[j].c_str();
      hdf5::write_box(dataset, strings.get(), start, count, &value, "write " + text.name);
    }
    describe(dataset, text.long_name, "");
  }

  hdf5::Handle add_array(const std::string& name, hid_t type, const std::vector<std::string>& dims,
                         std::optional<double> fill) {
    std::vector<hsize_t> sizes;
    for (const std::string& dim : dims) sizes.push_back(hdf5::dims_of(scales_.at(dim)).at(0));
    hdf5::Handle dataset = hdf5::create_dataset(group_, {.name = name, .type = type, .dims = sizes, .fill = fill});
    for (unsigned axis = 0; axis < dims.size(); ++axis)
      hdf5::attach_scale(dataset, scales_.at(dims[axis]), axis, "attach " + dims[axis] + " to " + name);
    return dataset;
  }

  const MergedTable& merged_;
  hdf5::Handle group_;
  std::vector<std::string> axes_;
  std::map<std::string, hdf5::Handle> scales_;
  std::vector<hdf5::Handle> variables_;
};

}  // namespace

struct SweepFile::State {
  State(const std::string& to, const std::string& beside) : path(to), temporary(beside), file(beside) {}
  ~State() {
    if (!finished) ::unlink(temporary.c_str());
  }
  std::string path, temporary;
  hdf5::QuietErrors quiet;
  hdf5::NewFile file;
  std::vector<std::unique_ptr<Group>> groups;
  bool finished = false;
};

SweepFile::SweepFile(const std::string& path, const Manifest& manifest, const std::vector<MergedTable>& groups,
                     const std::vector<JobTexts>& texts, const Attributes& attributes) {
  const std::filesystem::path to(path);
  const std::string name = "." + to.filename().string() + ".tmp";
  state_ = std::make_unique<State>(path, (to.parent_path() / name).string());
  for (const Attribute& attribute : attributes) hdf5::write_attribute(state_->file.handle(), attribute);
  for (const MergedTable& merged : groups)
    state_->groups.push_back(std::make_unique<Group>(state_->file.handle(), manifest, merged, texts));
}

SweepFile::~SweepFile() = default;

void SweepFile::put(std::size_t group, std::size_t variable, const SweepJob& job, std::span<const double> values) {
  state_->groups[group]->put(variable, job, values);
  state_->file.check();
}

void SweepFile::finish() {
  state_->groups.clear();
  state_->file.close();
  posix::sync_path(state_->temporary);
  const std::string folder = std::filesystem::path(state_->path).parent_path().string();
  posix::rename_durably(state_->temporary, state_->path, folder.empty() ? "." : folder);
  state_->finished = true;
}

}  // namespace saltus
