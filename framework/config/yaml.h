#pragma once
#include <memory>

#include "config/tree.h"

namespace saltus {

/// The tree of one YAML text, which holds nothing at all or one document. Refuses what yaml-cpp lets pass: duplicate
/// and merge keys, tags, a second document, a quote that is never closed, and references that blow up.
ConfigNode parse_yaml(const std::shared_ptr<const Source>& source);

}  // namespace saltus
