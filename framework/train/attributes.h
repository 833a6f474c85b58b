#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace saltus {

using AttributeValue = std::variant<std::string, std::int64_t, double, std::vector<std::string>>;

/// A named fact about a run as a whole, or about one dataset: an attribute in run.h5.
struct Attribute {
  std::string name;
  AttributeValue value;
};

using Attributes = std::vector<Attribute>;

}  // namespace saltus
