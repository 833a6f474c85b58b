#include "train/run_h5.h"

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>

#include "core/check.h"
#include "train/hdf5.h"
#include "train/hdf5_driver.h"
#include "train/posix.h"
#include "train/run_file.h"

namespace saltus {
namespace {

hid_t file_type(ValueType type) {
  switch (type) {
    case ValueType::f32:
      return H5T_IEEE_F32LE;
    case ValueType::f64:
      return H5T_IEEE_F64LE;
    case ValueType::i32:
      return H5T_STD_I32LE;
  }
  return H5I_INVALID_HID;
}

/// A growing dataset that takes its rows one at a time and writes them a chunk at a time.
class Column {
 public:
  /// `entry` has the sizes of the axes behind the growing one.
  Column(const hdf5::Handle& group, const std::string& name, hid_t type, std::size_t value_bytes,
         std::vector<hsize_t> entry, std::int64_t rows, std::int64_t max_chunk_rows)
      : what_("write " + name), type_(type), row_bytes_(value_bytes), dims_(std::move(entry)) {
    for (const hsize_t n : dims_) row_bytes_ *= n;
    dims_.insert(dims_.begin(), static_cast<hsize_t>(rows));
    constexpr std::size_t kChunkBytes = 256 << 10;
    const auto fitting = static_cast<std::int64_t>(kChunkBytes / row_bytes_);
    chunk_rows_ = std::clamp<std::int64_t>(fitting, 1, max_chunk_rows);
    dataset_ = std::make_unique<hdf5::Handle>(hdf5::create_dataset(group, {name, type, dims_, chunk_rows_}));
  }

  const hdf5::Handle& dataset() const { return *dataset_; }
  std::size_t row_bytes() const { return row_bytes_; }

  void push(const std::byte* row) {
    pending_.insert(pending_.end(), row, row + row_bytes_);
    if (pending_.size() == row_bytes_ * static_cast<std::size_t>(chunk_rows_)) flush();
  }

  /// Writes row `index` at once, for rows that do not come in order.
  void put(const std::byte* row, hsize_t index) { hdf5::write_rows(*dataset_, type_, dims_, index, 1, row, what_); }

  void flush() {
    if (pending_.empty()) return;
    const hsize_t count = pending_.size() / row_bytes_;
    hdf5::write_rows(*dataset_, type_, dims_, written_, count, pending_.data(), what_);
    written_ += count;
    pending_.clear();
  }

 private:
  std::string what_;
  hid_t type_;
  std::size_t row_bytes_;
  std::vector<hsize_t> dims_;
  std::int64_t chunk_rows_ = 1;
  std::unique_ptr<hdf5::Handle> dataset_;
  std::vector<std::byte> pending_;
  hsize_t written_ = 0;
};

/// One group being written.
class Group {
 public:
  /// `steps`: of all rows to come, sorted.
  Group(const hdf5::Handle& file, const Table& table, std::span<const std::int64_t> steps)
      : table_(table), all_steps_(steps), group_(hdf5::create_group(file, table.group)) {
    const auto rows = static_cast<std::int64_t>(steps.size());
    add_group_attributes();
    if (!table.growing.empty()) add_growing_dimension(rows);
    for (const Dim& dim : table.dims) add_dimension(dim);
    for (const Variable& variable : table.variables) add_variable(variable, rows);
    for (const Constant& constant : table.constants) add_constant(constant);
  }

  void push(const JournalRecord& record) {
    const auto* step = reinterpret_cast<const std::byte*>(&record.step);
    const auto index = static_cast<hsize_t>(std::lower_bound(all_steps_.begin(), all_steps_.end(), record.step) - all_steps_.begin());
    const auto write = [&](Column& column, const std::byte* row) { table_.late_rows ? column.put(row, index) : column.push(row); };
    write(*steps_, step);
    std::size_t offset = 0;
    for (Column& column : columns_) {
      write(column, record.payload.data() + offset);
      offset += column.row_bytes();
    }
  }

  void flush() {
    if (steps_) steps_->flush();
    for (Column& column : columns_) column.flush();
  }

 private:
  // NeXus' NXdata, for viewers such as H5Web, which find a plot's axes in no other way.
  void add_group_attributes() {
    const bool grows = !table_.growing.empty();
    std::vector<std::string> axes = grows ? table_.variables.front().dims : table_.constants.front().dims;
    if (grows) axes.insert(axes.begin(), table_.growing);
    hdf5::write_attribute(group_, {"NX_class", std::string("NXdata")});
    hdf5::write_attribute(group_, {"signal", grows ? table_.variables.front().name : table_.constants.front().name});
    if (!axes.empty()) hdf5::write_attribute(group_, {"axes", axes});  // of a single number there are none
  }

  void add_growing_dimension(std::int64_t rows) {
    constexpr std::int64_t kChunkRows = 1024;
    steps_ = std::make_unique<Column>(group_, table_.growing, H5T_STD_I64LE, sizeof(std::int64_t),
                                      std::vector<hsize_t>{}, rows, kChunkRows);
    hdf5::make_scale(steps_->dataset(), table_.growing);
    describe(steps_->dataset(), table_.growing_long_name, table_.growing_units);
  }

  void add_dimension(const Dim& dim) {
    const bool labelled = !dim.labels.empty();
    const hdf5::Handle strings = hdf5::string_type();
    const hid_t type = labelled ? strings.get() : dim.values.empty() ? H5T_STD_I32LE : H5T_IEEE_F64LE;
    hdf5::Handle dataset = hdf5::create_dataset(group_, {dim.name, type, {static_cast<hsize_t>(dim.size)}});
    if (labelled) {
      hdf5::write_strings(dataset, dim.labels, "write " + dim.name);
    } else if (!dim.values.empty()) {
      hdf5::write_all(dataset, H5T_NATIVE_DOUBLE, dim.values.data(), "write " + dim.name);
    } else {
      std::vector<std::int32_t> indices(static_cast<std::size_t>(dim.size));
      for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<std::int32_t>(i);
      hdf5::write_all(dataset, H5T_NATIVE_INT32, indices.data(), "write " + dim.name);
    }
    hdf5::make_scale(dataset, dim.name);
    describe(dataset, dim.long_name, "");
    scales_.emplace(dim.name, std::move(dataset));
  }

  void add_variable(const Variable& variable, std::int64_t rows) {
    Column& column = columns_.emplace_back(group_, variable.name, file_type(variable.type), size_of(variable.type),
                                           sizes(variable.dims), rows, table_.chunk_rows);
    hdf5::attach_scale(column.dataset(), steps_->dataset(), 0, "attach the steps to " + variable.name);
    attach(column.dataset(), variable.name, variable.dims, 1);
    describe(column.dataset(), variable.long_name, variable.units);
  }

  void add_constant(const Constant& constant) {
    const ValueType type = type_of(constant);
    const hdf5::Handle dataset = hdf5::create_dataset(group_, {constant.name, file_type(type), sizes(constant.dims)});
    std::visit(
        [&](const auto& data) { hdf5::write_all(dataset, file_type(type), data.data(), "write " + constant.name); },
        constant.data);
    attach(dataset, constant.name, constant.dims, 0);
    describe(dataset, constant.long_name, constant.units);
  }

  void attach(const hdf5::Handle& dataset, const std::string& name, const std::vector<std::string>& dims,
              unsigned first_axis) {
    for (std::size_t i = 0; i < dims.size(); ++i) {
      hdf5::attach_scale(dataset, scales_.at(dims[i]), first_axis + static_cast<unsigned>(i),
                         "attach " + dims[i] + " to " + name);
    }
  }

  static void describe(const hdf5::Handle& dataset, const std::string& long_name, const std::string& units) {
    if (!long_name.empty()) hdf5::write_attribute(dataset, {"long_name", long_name});
    if (!units.empty()) hdf5::write_attribute(dataset, {"units", units});
  }

  std::vector<hsize_t> sizes(const std::vector<std::string>& dims) const {
    std::vector<hsize_t> out;
    for (const std::string& name : dims) out.push_back(static_cast<hsize_t>(dim_of(table_, name).size));
    return out;
  }

  const Table& table_;
  std::span<const std::int64_t> all_steps_;
  hdf5::Handle group_;
  std::unique_ptr<Column> steps_;
  std::map<std::string, hdf5::Handle> scales_;
  std::deque<Column> columns_;
};

void write_contents(const hdf5::NewFile& file, const Layout& layout, const RunContent& content) {
  for (const Attribute& attribute : content.attributes) hdf5::write_attribute(file.handle(), attribute);
  std::deque<Group> groups;
  for (std::size_t t = 0; t < layout.size(); ++t) groups.emplace_back(file.handle(), layout[t], content.steps[t]);
  content.journal.for_each([&](const JournalRecord& record) {
    groups.at(record.table).push(record);
    file.check();
  });
  for (Group& group : groups) group.flush();
}

/// Has `write` make a file beside folder/name, syncs it and renames it over that one.
void replace_file(const std::string& folder, const std::string& name, const std::function<void(const hdf5::NewFile&)>& write) {
  const std::string path = folder + "/" + name, temporary = folder + "/." + name + ".tmp";
  try {
    const hdf5::QuietErrors quiet;
    hdf5::NewFile file(temporary);
    write(file);
    file.close();
    posix::sync_path(temporary);
    posix::rename_durably(temporary, path, folder);
  } catch (const Error& error) {
    ::unlink(temporary.c_str());
    throw Error(fmt::format("cannot write {}: {}", path, error.what()));
  }
}

}  // namespace

void replace_run_h5(const std::string& folder, const Layout& layout, const RunContent& content) {
  replace_file(folder, "run.h5", [&](const hdf5::NewFile& file) { write_contents(file, layout, content); });
}

void check_result_path(const std::string& path, bool overwrite) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return;
  check_input(overwrite, "{} exists already: name another file with --out, or say --overwrite", path);
  const hdf5::QuietErrors quiet;
  const bool result = H5Fis_hdf5(path.c_str()) > 0 && hdf5::read_attribute(hdf5::open_file(path), "result_version").has_value();
  check_input(result, "{} is not a result of saltus eval or study, and is not replaced: name another file with --out", path);
}

void write_result_file(const std::string& path, const Layout& layout, const Attributes& attributes) {
  const Layout checked = validated(layout);
  const std::filesystem::path whole(path);
  const std::string folder = whole.has_parent_path() ? whole.parent_path().string() : ".";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  check(!error, "cannot write {}: {}", path, error.message());
  replace_file(folder, whole.filename().string(), [&](const hdf5::NewFile& file) {
    hdf5::write_attribute(file.handle(), {"result_version", kRunFileVersion});
    for (const Attribute& attribute : attributes) hdf5::write_attribute(file.handle(), attribute);
    for (const Table& table : checked) Group(file.handle(), table, {});
  });
}

}  // namespace saltus
