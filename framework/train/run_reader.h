#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "train/attributes.h"
#include "train/layout.h"

namespace saltus {

/// A run.h5, open for reading: docs/run_file.md describes what is in it. A file that is rewritten meanwhile stays the
/// version that was opened. Every failure throws Error with the path.
class RunReader {
 public:
  /// Throws, as bad input, when there is no such file or it is not one that saltus wrote.
  explicit RunReader(const std::string& path);
  ~RunReader();
  RunReader(const RunReader&) = delete;
  RunReader& operator=(const RunReader&) = delete;

  const std::string& path() const { return path_; }

  /// A root attribute; nothing when the file does not hold it.
  std::optional<AttributeValue> attribute(const std::string& name) const;
  /// As attribute(); also nothing when it is of another type. An integer is a number too.
  std::optional<std::string> text(const std::string& name) const;
  std::optional<std::int64_t> integer(const std::string& name) const;
  std::optional<double> number(const std::string& name) const;

  bool has_group(const std::string& group) const;
  /// The layout that a group was written with: growing dimension, dimensions with their labels, and the variables that
  /// grow, in order. Constants are left out.
  Table table(const std::string& group) const;

  /// The coordinate of the group's growing dimension, one entry a row.
  std::vector<std::int64_t> steps(const std::string& group) const;

  /// All rows of a variable, [row, the variable's own axes], row-major.
  std::vector<double> values(const std::string& group, const std::string& variable) const;
  /// One row, counted from 0.
  std::vector<double> row(const std::string& group, const std::string& variable, std::size_t index) const;
  /// The last row alone; empty when there is none.
  std::vector<double> last_row(const std::string& group, const std::string& variable) const;

 private:
  struct File;
  std::string path_;
  std::unique_ptr<File> file_;
};

}  // namespace saltus
