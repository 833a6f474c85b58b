#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Data of R packages, read without R.
namespace saltus {

/// A vector of R. Of the four contents, at most one is not empty.
struct RValue {
  std::vector<std::int32_t> integers;  // also logicals; NA is INT32_MIN
  std::vector<double> numbers;
  std::vector<std::optional<std::string>> strings;  // as their bytes; NA is nothing
  std::vector<RValue> items;                        // of a list
  std::map<std::string, RValue> attributes;         // names, levels, class, ...

  /// The item of a named list, or column of a data frame. Throws Error naming what there is.
  const RValue& item(const std::string& name) const;
};

/// An object as serialize() writes it, in the binary format (XDR), version 2 or 3: numbers, strings, lists and their
/// attributes. Throws Error for anything else (closures, environments, packed vectors) and for bytes that end early.
RValue parse_r_object(std::string_view bytes);

/// An object out of the data of an installed package: `base`.rdx says where in `base`.rdb each is, compressed by zlib
/// or xz. Throws Error.
RValue read_r_object(const std::filesystem::path& base, const std::string& name);

/// A factor or vector of strings as one text a row. Throws Error, naming the row (from 1), for NA.
std::vector<std::string> r_texts(const RValue& column);

}  // namespace saltus
