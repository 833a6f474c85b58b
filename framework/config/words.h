#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace saltus {

/// Edits from `a` to `b`: insertions, deletions, replacements and swaps of two neighbours, each counted once.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// Whether `distance` edits can be a slip of the hand in `word`: up to a third of its letters (rounded up), and never
/// all.
bool likely_typo(std::string_view word, std::size_t distance);

/// " (did you mean 'sgd'?)" for the nearest candidate (the first of equals), or "" when none is near.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

/// The words with `separator` between them.
std::string join(std::span<const std::string> words, std::string_view separator);

}  // namespace saltus
