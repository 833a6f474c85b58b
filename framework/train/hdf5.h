#pragma once
#include <hdf5.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "train/attributes.h"

/// The part of HDF5 that run.h5 needs: handles that close themselves, errors as exceptions, and netCDF-style dimension
/// scales. Everything is made with creation order tracked (netCDF-C asks for it) and without times, so that equal
/// content gives equal bytes.
namespace saltus::hdf5 {

/// Keeps HDF5 from printing its error stack on this thread; what it would say goes into the exceptions instead.
class QuietErrors {
 public:
  QuietErrors();
  ~QuietErrors();
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

/// Any HDF5 identifier. Throws Error("cannot <what>: <HDF5's first words>") when the call that made it failed.
class Handle {
 public:
  Handle(hid_t id, const std::string& what);
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&&) = delete;
  ~Handle();
  hid_t get() const { return id_; }
  /// Closes with the errors that the destructor must swallow.
  void close(const std::string& what);

 private:
  hid_t id_;
};

/// Throws as Handle does when a call's status is negative.
void ensure(herr_t status, const std::string& what);

/// Creates `path` with a file access property list, replacing what was there.
Handle create_file(const std::string& path, const Handle& access);
Handle create_group(const Handle& file, const std::string& name);

struct DatasetSpec {
  std::string name;
  hid_t type;  // in the file
  std::vector<hsize_t> dims;
  std::int64_t chunk_rows = 0;      // rows of axis 0 per chunk; then axis 0 is unlimited. 0: contiguous, of fixed size
  std::optional<double> fill = {};  // what is read where nothing was written, in any numeric type
};
Handle create_dataset(const Handle& group, const DatasetSpec& spec);

/// Variable-length UTF-8, the string type that netCDF and h5py share.
Handle string_type();

void write_attribute(const Handle& object, const Attribute& attribute);

/// Writes all of a dataset from memory of type `type`.
void write_all(const Handle& dataset, hid_t type, const void* data, const std::string& what);
void write_strings(const Handle& dataset, const std::vector<std::string>& values, const std::string& what);

/// Writes the box of `count` entries an axis that begins at `start`.
void write_box(const Handle& dataset, hid_t type, std::span<const hsize_t> start, std::span<const hsize_t> count,
               const void* data, const std::string& what);

/// Writes rows [first, first + count) of axis 0; `dims` are the dataset's.
void write_rows(const Handle& dataset, hid_t type, std::span<const hsize_t> dims, hsize_t first, hsize_t count,
                const void* data, const std::string& what);

/// Makes a dataset the coordinate of the dimension `name`.
void make_scale(const Handle& dataset, const std::string& name);
void attach_scale(const Handle& dataset, const Handle& scale, unsigned axis, const std::string& what);

/// Opens `path` for reading only.
Handle open_file(const std::string& path);
Handle open_group(const Handle& file, const std::string& name);
Handle open_dataset(const Handle& group, const std::string& name);

/// Names of what a group holds, in the order in which it was made (create_group has it tracked).
std::vector<std::string> member_names(const Handle& group);

/// An attribute that write_attribute could have written; nothing when it is absent or of another kind.
std::optional<AttributeValue> read_attribute(const Handle& object, const std::string& name);

/// Length of each axis.
std::vector<hsize_t> dims_of(const Handle& dataset);
/// Whether axis 0 may grow.
bool grows(const Handle& dataset);
bool is_scale(const Handle& dataset);
/// The dimension that each axis belongs to; empty where an axis has none.
std::vector<std::string> scale_names(const Handle& dataset);

/// Reads rows [first, first + count) of axis 0, converted to memory of type `type`.
void read_rows(const Handle& dataset, hid_t type, hsize_t first, hsize_t count, void* data, const std::string& what);
std::vector<std::string> read_strings(const Handle& dataset, const std::string& what);

/// A root attribute that holds one string. Throws when the file cannot be opened or has no such attribute.
std::string read_text_attribute(const std::string& path, const std::string& name);

/// "1.10.8", of the library in use.
std::string version();

}  // namespace saltus::hdf5
