#pragma once
#include <functional>
#include <string>
#include <vector>

#include "config/fields.h"

namespace saltus {

/// Every key of `list` with its value, as YAML in the order of the list: a complete config that reads back as the same
/// values. Numbers are the shortest text with the same bits; a text is quoted where a YAML reader could take it for
/// something else.
std::string write_config(const std::function<void(Fields&)>& list);

/// One value as write_config prints it, under its dotted path. An absent optional section is one setting, `null`.
struct Setting {
  std::string key;
  std::string value;
};
std::vector<Setting> settings(const std::function<void(Fields&)>& list);

/// A key whose values differ between two lists; the value is empty where a list does not hold the key.
struct Difference {
  std::string key;
  std::string a, b;
};
/// In the order of `a`, then what only `b` holds. "What differs from the defaults" is differences(defaults, config).
std::vector<Difference> differences(const std::function<void(Fields&)>& a, const std::function<void(Fields&)>& b);

}  // namespace saltus
