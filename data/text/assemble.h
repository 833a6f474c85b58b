#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/text/corpus.h"

namespace saltus {

/// A document before the classes have numbers. `place` opens every message about it: "reviews.tsv:12".
struct LabelledText {
  std::string label, text, source, place;
  Part part = Part::unassigned;
};

/// Throws Error (bad_input) "<path>:<line>: error: <message>".
[[noreturn]] void fail_in(const std::string& path, std::int64_t line, std::string_view message);

/// Numbers the classes and refuses, at its place, what is not a document: an empty or padded label, a blank text, bytes
/// that are not UTF-8, a part given to some documents only. Refuses fewer than two classes.
Corpus assemble(std::vector<LabelledText> texts, Provenance provenance);

}  // namespace saltus
