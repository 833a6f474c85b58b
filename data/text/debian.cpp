#include "data/text/debian.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <unordered_map>

#include "core/check.h"

namespace saltus {
namespace {

/// A field of a paragraph; the value keeps its further lines with their indentation.
struct ControlField {
  std::string_view name, value;
};
using Paragraph = std::vector<ControlField>;

std::string_view value_of(const Paragraph& paragraph, std::string_view name) {
  const auto field = std::ranges::find(paragraph, name, &ControlField::name);
  return field == paragraph.end() ? std::string_view{} : field->value;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t\r\n");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r\n") + 1 - from);
}

/// Calls use(paragraph) for each one; lines without a colon are passed over, as in a signed Release file.
template <class Use>
void for_each_paragraph(std::string_view text, const Use& use) {
  Paragraph paragraph;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    const std::size_t colon = line.find(':');
    if (line.empty()) {
      if (!paragraph.empty()) use(paragraph);
      paragraph.clear();
    } else if ((line[0] == ' ' || line[0] == '\t') && !paragraph.empty()) {
      std::string_view& value = paragraph.back().value;
      value = std::string_view(value.data(), static_cast<std::size_t>(line.data() + line.size() - value.data()));
    } else if (colon != std::string_view::npos) {
      paragraph.push_back({line.substr(0, colon), line.substr(colon + 1)});
    }
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  if (!paragraph.empty()) use(paragraph);
}

/// A description as a person reads it: each line without its blank, and an empty line where the archive has a dot.
std::string plain_description(std::string_view field) {
  std::string text;
  for (field = trimmed(field); !field.empty();) {
    std::string_view line = field.substr(0, field.find('\n'));
    field.remove_prefix(std::min(field.size(), line.size() + 1));
    if (line.starts_with(' ')) line.remove_prefix(1);
    if (!text.empty()) text += '\n';
    if (line != ".") text += line;
  }
  return text;
}

}  // namespace

std::vector<DebianPackage> join_descriptions(std::string_view packages, std::string_view translations) {
  std::unordered_map<std::string_view, std::string_view> descriptions;
  for_each_paragraph(translations, [&descriptions](const Paragraph& p) {
    descriptions.try_emplace(trimmed(value_of(p, "Description-md5")), value_of(p, "Description-en"));
  });
  std::vector<DebianPackage> joined;
  for_each_paragraph(packages, [&](const Paragraph& p) {
    const std::string name(trimmed(value_of(p, "Package")));
    const std::string_view sum = trimmed(value_of(p, "Description-md5"));
    const auto description = descriptions.find(sum);
    check(!sum.empty() && description != descriptions.end(), "Translation-en has no description of the package {}",
          name);
    std::string source(
        trimmed(value_of(p, "Source")));  // "name" or "name (version)"; the package's own name when it is not there
    source.resize(std::min(source.find(' '), source.size()));
    joined.push_back({name, std::string(trimmed(value_of(p, "Version"))), source.empty() ? name : source,
                      std::string(trimmed(value_of(p, "Section"))), plain_description(description->second)});
  });
  return joined;
}

std::vector<DebianPackage> one_a_source(std::vector<DebianPackage> packages) {
  std::unordered_map<std::string, std::size_t> place;
  std::vector<DebianPackage> chosen;
  for (DebianPackage& package : packages) {
    const auto [at, is_new] = place.try_emplace(package.source, chosen.size());
    if (is_new) {
      chosen.push_back(std::move(package));
    } else if (package.description.size() > chosen[at->second].description.size()) {
      chosen[at->second] = std::move(package);
    }
  }
  return chosen;
}

std::vector<LabelledText> section_texts(const std::vector<DebianPackage>& packages,
                                        const std::vector<std::pair<std::string, std::string>>& sections) {
  std::vector<LabelledText> texts;
  for (const DebianPackage& p : packages) {
    const auto section = std::ranges::find(sections, p.section, &std::pair<std::string, std::string>::first);
    if (section == sections.end()) continue;
    texts.push_back({section->second, p.description, fmt::format("{} {}", p.name, p.version), "package " + p.name,
                     Part::unassigned});
  }
  return texts;
}

std::string control_field(std::string_view text, std::string_view name) {
  std::string found;
  for_each_paragraph(text, [&](const Paragraph& p) {
    if (found.empty()) found = trimmed(value_of(p, name));
  });
  return found;
}

std::string iso_date(const std::string& release_date) {
  constexpr std::array months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  int day = 0, year = 0, hour = 0, minute = 0, second = 0;
  std::array<char, 4> month{};
  const int read = std::sscanf(release_date.c_str(), "%*3s, %d %3s %d %d:%d:%d UTC", &day, month.data(), &year, &hour,
                               &minute, &second);
  const auto at = std::ranges::find(months, std::string_view(month.data()));
  check(read == 6 && at != months.end(), "'{}' is not a date of a Release file", release_date);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", year, at - months.begin() + 1, day, hour, minute, second);
}

}  // namespace saltus
