#include "train/hdf5.h"

#include <fmt/core.h>
#include <hdf5_hl.h>

#include <algorithm>
#include <string_view>

#include "core/check.h"

namespace saltus::hdf5 {
namespace {

/// The innermost entry of HDF5's error stack. For a failed system call it is a long line that quotes the system's own
/// words.
std::string first_words() {
  std::string words = "HDF5 gives no reason";
  const auto visit = [](unsigned n, const H5E_error2_t* error, void* out) -> herr_t {
    if (n == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, visit, &words);
  constexpr std::string_view kQuote = "error message = '";
  const std::size_t begin = words.find(kQuote);
  if (begin == std::string::npos) return words;
  const std::size_t from = begin + kQuote.size();
  return words.substr(from, words.find('\'', from) - from);
}

void close_id(hid_t id) {
  // Closes files, groups, datasets, attributes, types, spaces and property lists alike once the last reference is gone.
  H5Idec_ref(id);
}

Handle simple_space(std::span<const hsize_t> dims, bool first_unlimited) {
  if (dims.empty()) return Handle(H5Screate(H5S_SCALAR), "make a dataspace");
  std::vector<hsize_t> limits(dims.begin(), dims.end());
  if (first_unlimited) limits[0] = H5S_UNLIMITED;
  return Handle(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), limits.data()), "make a dataspace");
}

Handle property_list(hid_t list_class) { return Handle(H5Pcreate(list_class), "make a property list"); }

constexpr unsigned kOrder = H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED;

void write_strings_to_attribute(const Handle& object, const std::string& name, std::span<const std::string> values,
                                bool scalar) {
  const std::string what = "write the attribute " + name;
  const Handle type = string_type();
  const hsize_t n = values.size();
  const Handle space = scalar ? simple_space({}, false) : simple_space({&n, 1}, false);
  const Handle attribute(H5Acreate2(object.get(), name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
                         what);
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  ensure(H5Awrite(attribute.get(), type.get(), pointers.data()), what);
}

/// Strings that HDF5 allocated, which are freed.
std::vector<std::string> taken(std::span<char* const> pointers) {
  std::vector<std::string> texts;
  for (char* text : pointers) {
    texts.emplace_back(text != nullptr ? text : "");
    H5free_memory(text);
  }
  return texts;
}

void write_number(const Handle& object, const std::string& name, hid_t file_type, hid_t memory_type,
                  const void* value) {
  const std::string what = "write the attribute " + name;
  const Handle space = simple_space({}, false);
  const Handle attribute(H5Acreate2(object.get(), name.c_str(), file_type, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                         what);
  ensure(H5Awrite(attribute.get(), memory_type, value), what);
}

}  // namespace

QuietErrors::QuietErrors() {
  H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

QuietErrors::~QuietErrors() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }

Handle::Handle(hid_t id, const std::string& what) : id_(id) {
  if (id < 0) throw Error(fmt::format("cannot {}: {}", what, first_words()));
}

Handle::~Handle() {
  if (id_ >= 0) close_id(id_);
}

void Handle::close(const std::string& what) {
  ensure(H5Idec_ref(id_), what);
  id_ = H5I_INVALID_HID;  // only now: HDF5 keeps what it failed to close
}

void ensure(herr_t status, const std::string& what) {
  if (status < 0) throw Error(fmt::format("cannot {}: {}", what, first_words()));
}

Handle create_file(const std::string& path, const Handle& access) {
  const Handle creation = property_list(H5P_FILE_CREATE);
  H5Pset_link_creation_order(creation.get(), kOrder);
  H5Pset_attr_creation_order(creation.get(), kOrder);
  H5Pset_obj_track_times(creation.get(), false);
  return Handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), "create " + path);
}

Handle create_group(const Handle& file, const std::string& name) {
  const Handle creation = property_list(H5P_GROUP_CREATE);
  H5Pset_link_creation_order(creation.get(), kOrder);
  H5Pset_attr_creation_order(creation.get(), kOrder);
  H5Pset_obj_track_times(creation.get(), false);
  return Handle(H5Gcreate2(file.get(), name.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                "create the group " + name);
}

Handle create_dataset(const Handle& group, const DatasetSpec& spec) {
  const Handle creation = property_list(H5P_DATASET_CREATE);
  H5Pset_attr_creation_order(creation.get(), kOrder);
  H5Pset_obj_track_times(creation.get(), false);
  // The unused end of the last chunk is written too: otherwise the file would hold whatever was in memory.
  H5Pset_fill_time(creation.get(), H5D_FILL_TIME_ALLOC);
  if (spec.fill)
    ensure(H5Pset_fill_value(creation.get(), H5T_NATIVE_DOUBLE, &*spec.fill), "set what fills " + spec.name);
  const Handle access = property_list(H5P_DATASET_ACCESS);
  if (spec.chunk_rows > 0) {
    std::vector<hsize_t> chunk = spec.dims;
    chunk[0] = static_cast<hsize_t>(spec.chunk_rows);
    ensure(H5Pset_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data()), "chunk " + spec.name);
    // Rows arrive a chunk at a time, so a cache would only hold memory: up to 1 MiB for each dataset.
    H5Pset_chunk_cache(access.get(), H5D_CHUNK_CACHE_NSLOTS_DEFAULT, 0, H5D_CHUNK_CACHE_W0_DEFAULT);
  }
  const Handle space = simple_space(spec.dims, spec.chunk_rows > 0);
  return Handle(
      H5Dcreate2(group.get(), spec.name.c_str(), spec.type, space.get(), H5P_DEFAULT, creation.get(), access.get()),
      "create the dataset " + spec.name);
}

Handle string_type() {
  Handle type(H5Tcopy(H5T_C_S1), "make a string type");
  H5Tset_size(type.get(), H5T_VARIABLE);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

void write_attribute(const Handle& object, const Attribute& attribute) {
  const auto& [name, value] = attribute;
  if (const auto* text = std::get_if<std::string>(&value)) {
    write_strings_to_attribute(object, name, {text, 1}, true);
  } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    write_strings_to_attribute(object, name, *list, false);
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    write_number(object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, integer);
  } else {
    write_number(object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &std::get<double>(value));
  }
}

void write_all(const Handle& dataset, hid_t type, const void* data, const std::string& what) {
  ensure(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), what);
}

void write_strings(const Handle& dataset, const std::vector<std::string>& values, const std::string& what) {
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  write_all(dataset, string_type().get(), pointers.data(), what);
}

void write_box(const Handle& dataset, hid_t type, std::span<const hsize_t> start, std::span<const hsize_t> count,
               const void* data, const std::string& what) {
  const Handle file_space(H5Dget_space(dataset.get()), what);
  ensure(H5Sselect_hyperslab(file_space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr), what);
  const Handle memory_space = simple_space(count, false);
  ensure(H5Dwrite(dataset.get(), type, memory_space.get(), file_space.get(), H5P_DEFAULT, data), what);
}

void write_rows(const Handle& dataset, hid_t type, std::span<const hsize_t> dims, hsize_t first, hsize_t count,
                const void* data, const std::string& what) {
  std::vector<hsize_t> start(dims.size(), 0), block(dims.begin(), dims.end());
  start[0] = first;
  block[0] = count;
  write_box(dataset, type, start, block, data, what);
}

void make_scale(const Handle& dataset, const std::string& name) {
  ensure(H5DSset_scale(dataset.get(), name.c_str()), "make the dimension scale " + name);
}

void attach_scale(const Handle& dataset, const Handle& scale, unsigned axis, const std::string& what) {
  ensure(H5DSattach_scale(dataset.get(), scale.get(), axis), what);
}

Handle open_file(const std::string& path) {
  return Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), "open " + path);
}

Handle open_group(const Handle& file, const std::string& name) {
  return Handle(H5Gopen2(file.get(), name.c_str(), H5P_DEFAULT), "open the group " + name);
}

Handle open_dataset(const Handle& group, const std::string& name) {
  return Handle(H5Dopen2(group.get(), name.c_str(), H5P_DEFAULT), "open the dataset " + name);
}

std::vector<std::string> member_names(const Handle& group) {
  std::vector<std::string> names;
  const auto visit = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  hsize_t at = 0;
  ensure(H5Literate(group.get(), H5_INDEX_CRT_ORDER, H5_ITER_INC, &at, visit, &names), "list what a group holds");
  return names;
}

std::optional<AttributeValue> read_attribute(const Handle& object, const std::string& name) {
  const std::string what = "read the attribute " + name;
  if (H5Aexists(object.get(), name.c_str()) <= 0) return std::nullopt;
  const Handle attribute(H5Aopen(object.get(), name.c_str(), H5P_DEFAULT), what);
  const Handle stored(H5Aget_type(attribute.get()), what), space(H5Aget_space(attribute.get()), what);
  const bool scalar = H5Sget_simple_extent_type(space.get()) == H5S_SCALAR;
  const H5T_class_t kind = H5Tget_class(stored.get());
  if (kind == H5T_STRING && H5Tis_variable_str(stored.get()) > 0) {
    std::vector<char*> pointers(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get())));
    ensure(H5Aread(attribute.get(), string_type().get(), pointers.data()), what);
    const std::vector<std::string> texts = taken(pointers);
    return scalar ? AttributeValue(texts.at(0)) : AttributeValue(texts);
  }
  std::int64_t integer = 0;
  double number = 0;
  if (scalar && kind == H5T_INTEGER && H5Aread(attribute.get(), H5T_NATIVE_INT64, &integer) >= 0) return integer;
  if (scalar && kind == H5T_FLOAT && H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, &number) >= 0) return number;
  return std::nullopt;
}

std::vector<hsize_t> dims_of(const Handle& dataset) {
  const Handle space(H5Dget_space(dataset.get()), "ask for a dataset's shape");
  std::vector<hsize_t> dims(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space.get())));
  H5Sget_simple_extent_dims(space.get(), dims.data(), nullptr);
  return dims;
}

bool grows(const Handle& dataset) {
  const Handle space(H5Dget_space(dataset.get()), "ask for a dataset's shape");
  std::vector<hsize_t> limits(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space.get())));
  H5Sget_simple_extent_dims(space.get(), nullptr, limits.data());
  return !limits.empty() && limits[0] == H5S_UNLIMITED;
}

bool is_scale(const Handle& dataset) { return H5DSis_scale(dataset.get()) > 0; }

std::vector<std::string> scale_names(const Handle& dataset) {
  std::vector<std::string> names(dims_of(dataset).size());
  const auto visit = [](hid_t, unsigned, hid_t scale, void* out) -> herr_t {
    std::string name(static_cast<std::size_t>(std::max<ssize_t>(H5DSget_scale_name(scale, nullptr, 0), 0)), ' ');
    H5DSget_scale_name(scale, name.data(), name.size() + 1);
    *static_cast<std::string*>(out) = name;
    return 1;
  };
  for (unsigned axis = 0; axis < names.size(); ++axis) {
    H5DSiterate_scales(dataset.get(), axis, nullptr, visit, &names[axis]);
  }
  return names;
}

void read_rows(const Handle& dataset, hid_t type, hsize_t first, hsize_t count, void* data, const std::string& what) {
  std::vector<hsize_t> block = dims_of(dataset), start(block.size(), 0);
  start[0] = first;
  block[0] = count;
  const Handle file_space(H5Dget_space(dataset.get()), what), memory_space = simple_space(block, false);
  ensure(H5Sselect_hyperslab(file_space.get(), H5S_SELECT_SET, start.data(), nullptr, block.data(), nullptr), what);
  ensure(H5Dread(dataset.get(), type, memory_space.get(), file_space.get(), H5P_DEFAULT, data), what);
}

std::vector<std::string> read_strings(const Handle& dataset, const std::string& what) {
  std::vector<char*> pointers(dims_of(dataset).at(0));
  ensure(H5Dread(dataset.get(), string_type().get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data()), what);
  return taken(pointers);
}

std::string read_text_attribute(const std::string& path, const std::string& name) {
  const QuietErrors quiet;
  const Handle file = open_file(path);
  const std::optional<AttributeValue> value = read_attribute(file, name);
  check(value && std::holds_alternative<std::string>(*value), "{} has no text attribute {}", path, name);
  return std::get<std::string>(*value);
}

std::string version() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("{}.{}.{}", major, minor, release);
}

}  // namespace saltus::hdf5
