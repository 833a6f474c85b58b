#pragma once
#include <functional>
#include <string>

#include "config/fields.h"

namespace saltus {

/// The reference page of a list, which holds its defaults: every key as a dotted path with type and range, default and
/// meaning. As columns for a terminal of 100 columns:
///     optimizer: how parameters move
///       optimizer.kind           one of sgd, adam  sgd      update rule
///       optimizer.learning_rate  number > 0        0.01     step size
std::string describe_text(const std::function<void(Fields&)>& list);

/// The same as Markdown, a table a section.
std::string describe_markdown(const std::function<void(Fields&)>& list);

}  // namespace saltus
