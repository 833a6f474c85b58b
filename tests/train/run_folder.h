#pragma once
#include <hdf5.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "train/hdf5.h"
#include "train/run_file.h"

namespace saltus::tests {

/// A folder of its own for one test, removed with everything in it.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "saltus-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

/// A yes or no, so that a failed comparison does not print two files.
inline bool same_bytes(const std::string& a, const std::string& b) { return read_file(a) == read_file(b); }

inline void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A small run: a series, a table with two axes, weights with a square matrix, and a constant.
inline Layout small_layout() {
  Table train{.group = "train", .variables = {{"loss"}, {"lr", {}, ValueType::f64}}};
  Table eval{.group = "eval",
             .dims = {{.name = "evalset", .labels = {"iid", "ic"}}},
             .variables = {{"accuracy", {"evalset"}, ValueType::f32, "fraction of right answers"}}};
  Table weights{.group = "weights",
                .growing = "ckpt_step",
                .dims = {{"d_model", 16}, {"d_model_2", 16}},
                .variables = {{"QK", {"d_model", "d_model_2"}}},
                .constants = {{"labels", {"d_model"}, std::vector<std::int32_t>(16, 3)}},
                .chunk_rows = 1};
  return {train, eval, weights};
}

/// Rows as a pure function of the step: a loss every step, an evaluation every 10, the weights every 100.
inline void append_step(RunFile& run, std::int64_t step) {
  const auto x = static_cast<float>(step);
  if (step % 100 == 0) run.append("weights", step, {std::vector<float>(256, x)});
  if (step % 10 == 0) run.append("eval", step, {std::vector<float>{x, -x}});
  run.append("train", step, {1.0f / (1.0f + x), 0.5});
}

/// All values of a dataset as doubles, opened and closed as a reader in another process would.
inline std::vector<double> read_values(const std::string& path, const std::string& dataset) {
  const hdf5::Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), "open " + path);
  const hdf5::Handle set(H5Dopen2(file.get(), dataset.c_str(), H5P_DEFAULT), "open " + dataset);
  const hdf5::Handle space(H5Dget_space(set.get()), "ask for the shape of " + dataset);
  std::vector<double> values(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get())));
  hdf5::ensure(H5Dread(set.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), "read " + dataset);
  return values;
}

}  // namespace saltus::tests
