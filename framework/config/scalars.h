#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "config/fields.h"
#include "config/tree.h"

namespace saltus {

/// Whether plain YAML takes this word for "no value": null, ~ and nothing at all.
bool is_null_word(std::string_view text);

/// "text 'abc'", "number 3", "a list": a value as messages name it.
std::string shown(const ConfigNode& node);

/// The values of a YAML scalar. Each throws std::invalid_argument with "expected an integer, got text 'abc'", plus what
/// to write instead when that is known. Integers may have an exponent (1e3) if they are whole; numbers are finite; no
/// leading zeros.
std::int64_t integer_of(const ConfigNode& node);
double number_of(const ConfigNode& node);
bool boolean_of(const ConfigNode& node);
std::string text_of(const ConfigNode& node);

/// A value as YAML, the shortest text that reads back as the same value. Throws Error on a number that is not finite.
std::string yaml_text(const Slot& value);

}  // namespace saltus
