#pragma once
#include <string_view>
#include <vector>

#include "config/tree.h"

namespace saltus {

/// Jobs in one sweep at most; more is taken for a slip of the hand.
inline constexpr std::size_t kMostJobs = 100'000;

/// Whether an unquoted text stands for several values:
///     range(a,b) range(a,b,step)   a, a+step, ... before b, as in Python
///     log(a,b,n)                   n numbers from a to b, each the same factor after the one before
///     a..b                         all integers from a to b
///     x,y,z                        these
bool is_values_text(std::string_view text);

/// The values that one key of a `sweep:` section takes: a list's items, what an unquoted text stands for, or this one
/// value. Each remembers the place it was written at. Numbers of range and log are rounded to 12 significant digits, so
/// that 0.1 + 2 * 0.1 is 0.3. Throws Error (bad_input) at the place of what is malformed or stands for no value at all.
std::vector<ConfigNode> swept_values(const ConfigNode& node);

}  // namespace saltus
