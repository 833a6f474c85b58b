#include "data/text/assemble.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "core/check.h"
#include "data/text/encoding.h"
#include "data/text/utf8.h"

namespace saltus {
namespace {

std::optional<std::int64_t> whole_number(const std::string& text) {
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(n) : std::nullopt;
}

void check_document(const LabelledText& t, bool parts) {
  check_utf8(t.place, "label", t.label);
  check_utf8(t.place, "text", t.text);
  check_input(!t.label.empty(), "{}: error: the label is empty", t.place);
  check_input(!is_blank(t.label.substr(0, 1)) && !is_blank(t.label.substr(t.label.size() - 1)),
              "{}: error: the label '{}' begins or ends with white space", t.place, t.label);
  check_input(t.label.find_first_of("\t\n\r") == std::string::npos,
              "{}: error: the label has a tab or a line end in it", t.place);
  check_input(!is_blank(t.text), "{}: error: the text is empty", t.place);
  check_input((t.part != Part::unassigned) == parts,
              "{}: error: this document {} a part, unlike the first: give one (train or test) to all or to none",
              t.place, parts ? "lacks" : "has");
}

}  // namespace

void fail_in(const std::string& path, std::int64_t line, std::string_view message) {
  throw Error(fmt::format("{}:{}: error: {}", path, line, message), ExitCode::bad_input);
}

Corpus assemble(std::vector<LabelledText> texts, Provenance provenance) {
  std::map<std::string, std::int32_t> numbers;
  bool all_numbers = true;
  for (const LabelledText& t : texts) {
    check_document(t, texts[0].part != Part::unassigned);
    if (numbers.try_emplace(t.label, 0).second) all_numbers = all_numbers && whole_number(t.label).has_value();
  }
  check_input(numbers.size() > 1, "{}: error: {}: at least two classes are needed", provenance.source,
              texts.empty() ? "there is no document" : fmt::format("all documents are of class '{}'", texts[0].label));
  Corpus corpus;
  corpus.provenance = std::move(provenance);
  for (const auto& [name, number] : numbers) corpus.classes.push_back(name);
  if (all_numbers)
    std::ranges::stable_sort(corpus.classes, {}, [](const std::string& name) { return *whole_number(name); });
  for (std::size_t i = 0; i < corpus.classes.size(); ++i) numbers[corpus.classes[i]] = static_cast<std::int32_t>(i);
  for (LabelledText& t : texts)
    corpus.documents.push_back({numbers[t.label], std::move(t.text), std::move(t.source), t.part});
  return corpus;
}

}  // namespace saltus
