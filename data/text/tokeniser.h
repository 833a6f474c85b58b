#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace saltus {

/// The words of a text, in order, in lower case.
///   - A word is a run of letters and digits. Letters are those of ASCII and Latin-1 and, from U+0100 on, all
///     characters but punctuation, arrows and mathematical signs (U+2000..U+23FF, U+3000..U+303F, U+FFF0..U+FFFF). So
///     words of any script stay whole, but only ASCII and Latin-1 are put into lower case.
///   - An apostrophe, ' or U+2019, between two letters or digits belongs to the word: "don't" is one word, and not the
///     word "don". The second is written as the first. A hyphen parts words: "stir-fry" and "stir fry" are the same.
///   - "!" and "?" are words of their own, each one there is: they tell how something is said. Other marks are dropped.
///     Naive Bayes on small_fine_foods, trained on all 4,000, has 0.804 with these two, 0.797 without marks and 0.795
///     with all of them (standard error 0.013): no evidence, but no loss.
///   - Markup such as "<br />" is dropped: "<", perhaps "/", a letter, then anything but "<" up to ">".
/// The text must be UTF-8; a byte that is not stands between words.
std::vector<std::string> words_of(std::string_view text);

}  // namespace saltus
