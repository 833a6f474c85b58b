#include <rapidcheck.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "data/text/tokeniser.h"
#include "data/text/utf8.h"

namespace saltus {
namespace {

using Words = std::vector<std::string>;

TEST_CASE("words are letters and digits in lower case; of the marks only ! and ? stay") {
  CHECK(words_of("Good, GOOD coffee: 2 cups (each 8oz)!! Why?") ==
        Words{"good", "good", "coffee", "2", "cups", "each", "8oz", "!", "!", "why", "?"});
  CHECK(words_of("a\tb\nc\r\nd") == Words{"a", "b", "c", "d"});
}

TEST_CASE("an apostrophe inside a word belongs to it, straight or curly; others and hyphens part words") {
  CHECK(words_of("Don't 'quote' the dogs' rock'n'roll") == Words{"don't", "quote", "the", "dogs", "rock'n'roll"});
  CHECK(words_of("don\u2019t") == Words{"don't"});
  CHECK(words_of("stir-fry -- it''s") == Words{"stir", "fry", "it", "s"});
}

TEST_CASE("Latin-1 is put into lower case, and letters of any script stay whole") {
  CHECK(words_of("\u00C9T\u00C9 \u00C5ngstr\u00F6m stra\u00DFe \u00DE") ==
        Words{"\u00E9t\u00E9", "\u00E5ngstr\u00F6m", "stra\u00DFe", "\u00FE"});
  CHECK(words_of("\u043F\u0440\u0438\u0432\u0435\u0442, \u65E5\u672C\u3002\u8A9E") ==
        Words{"\u043F\u0440\u0438\u0432\u0435\u0442", "\u65E5\u672C", "\u8A9E"});
  CHECK(words_of("2\u00D73 a\u2014b \u201Cc\u201D d\u2026 \u00ABe\u00BB\u00A0f \uFFFDg") ==
        Words{"2", "3", "a", "b", "c", "d", "e", "f", "g"});
}

TEST_CASE("markup is dropped, a smaller-than sign is not markup") {
  CHECK(words_of("fine<br /><br/>but <a href=\"x y\">here</a>") == Words{"fine", "but", "here"});
  CHECK(words_of("2 < 3 and a <b or c> d, <3, 1<2>0, <") == Words{"2", "3", "and", "a", "d", "3", "1", "2", "0"});
  CHECK(words_of("x <y <z> w") == Words{"x", "y", "w"});
}

TEST_CASE("a text without words has none") {
  CHECK(words_of("").empty());
  CHECK(words_of(" ... -- '' \u2014 ").empty());
}

TEST_CASE("bytes that are not UTF-8 stand between words and are in none") {
  CHECK(words_of("a\xFF\x62 c\xC3") == Words{"a", "b", "c"});
  const std::string surrogate = "\xED\xA5\x9D", overlong = "\xE0\x81\xA1", beyond = "\xF4\x90\x80\x80";
  CHECK(words_of("a" + surrogate + "b" + overlong + "c" + beyond + "d") == Words{"a", "b", "c", "d"});
  CHECK(rc::check("words are never empty, are valid UTF-8, and are their own words", [](const std::string& bytes) {
    for (const std::string& word : words_of(bytes)) {
      RC_ASSERT(!word.empty());
      RC_ASSERT(first_invalid_utf8(word) == std::string::npos);
      RC_ASSERT(words_of(word) == Words{word});
    }
  }));
}

}  // namespace
}  // namespace saltus
