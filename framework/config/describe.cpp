#include "config/describe.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "config/scalars.h"

namespace saltus {
namespace {

constexpr std::size_t page_width = 100;
constexpr std::size_t meaning_column = 3;
using Cells = std::array<std::string, 4>;  // key, type, default, meaning
const Cells headings = {"key", "takes", "default", "meaning"};

struct Part {
  std::string title;  // empty for the keys at the top
  std::vector<Cells> rows;
};

class Page final : public Fields {
 public:
  explicit Page(std::vector<Part>& parts, std::string prefix = "") : parts_(parts), prefix_(std::move(prefix)) {}

  using Fields::section;
  void section(const char* key, const char* doc, const std::function<void(Fields&)>& list) override {
    part(key, doc, list);
  }
  void optional_section(const char* key, bool& present, const char* doc,
                        const std::function<void(Fields&)>& list) override {
    part(key, fmt::format("{} (may be null{})", doc, present ? "" : ", the default"), list);
  }
  void require(bool, const char*, const std::string&) override {}

 protected:
  void visit(const Field& field) override {
    const auto* choice = std::get_if<std::string*>(&field.value);
    const bool needed =
        choice && !field.options.empty() && std::ranges::find(field.options, **choice) == field.options.end();
    parts_[own_part_].rows.push_back(
        {prefix_ + field.key, type_text(field), needed ? "(none)" : yaml_text(field.value), field.doc});
  }

 private:
  void part(const char* key, const std::string& doc, const std::function<void(Fields&)>& list) {
    parts_.push_back({fmt::format("{}{}: {}", prefix_, key, doc), {}});
    Page inner(parts_, prefix_ + key + ".");
    list(inner);
  }

  std::vector<Part>& parts_;
  std::string prefix_;
  std::size_t own_part_ = parts_.size() - 1;  // keys listed after a section still belong here, above that section
};

std::vector<Part> parts_of(const std::function<void(Fields&)>& list) {
  std::vector<Part> parts(1);
  Page page(parts);
  list(page);
  std::erase_if(parts, [](const Part& part) { return part.title.empty() && part.rows.empty(); });
  return parts;
}

/// Columns that `text` takes on a terminal, its characters all being one wide.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, width_of(text)), ' ');
}

/// Lines of at most `width` columns, broken at blanks; a longer word has a line of its own.
std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string word(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!lines.back().empty() && width_of(lines.back()) + 1 + width_of(word) > width) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
  }
  return lines;
}

std::array<std::size_t, 4> column_widths(const std::vector<Part>& parts) {
  constexpr std::array<std::size_t, 3> most = {34, 22, 12};
  std::array<std::size_t, 4> widths{};
  std::size_t used = 2;
  for (std::size_t column = 0; column < meaning_column; ++column) {
    widths[column] = headings[column].size();
    for (const Part& part : parts) {
      for (const Cells& row : part.rows) {
        const std::size_t width = width_of(row[column]);
        // A key cannot wrap: one that is too long for the column has a line of its own and widens nothing.
        if (width <= most[column] || column > 0)
          widths[column] = std::max(widths[column], std::min(width, most[column]));
      }
    }
    used += widths[column] + 2;
  }
  widths[meaning_column] = page_width - used;
  return widths;
}

std::string text_row(const Cells& row, const std::array<std::size_t, 4>& widths) {
  std::vector<std::string> lines;
  std::size_t start = 2, top = 0;
  for (std::size_t column = 0; column < row.size(); ++column) {
    const std::vector<std::string> cell = wrapped(row[column], widths[column]);
    lines.resize(std::max(lines.size(), top + cell.size()));
    for (std::size_t i = 0; i < cell.size(); ++i) {
      if (!cell[i].empty()) lines[top + i] = padded(lines[top + i], start) + cell[i];
    }
    // What is too wide for its column pushes the rest of the row below it.
    if (width_of(*std::ranges::max_element(cell, {}, width_of)) > widths[column]) top += cell.size();
    start += widths[column] + 2;
  }
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::string markdown_cell(std::string_view text) {
  std::string cell;
  for (const char c : text) cell += c == '|' ? std::string("\\|") : std::string(1, c);
  return cell;
}

}  // namespace

std::string describe_text(const std::function<void(Fields&)>& list) {
  const std::vector<Part> parts = parts_of(list);
  const auto widths = column_widths(parts);
  std::string page = text_row(headings, widths);
  for (const Part& part : parts) {
    page += "\n";
    if (!part.title.empty()) {
      for (const std::string& line : wrapped(part.title, page_width)) page += line + "\n";
    }
    for (const Cells& row : part.rows) page += text_row(row, widths);
  }
  return page;
}

std::string describe_markdown(const std::function<void(Fields&)>& list) {
  std::string page;
  for (const Part& part : parts_of(list)) {
    if (!page.empty()) page += "\n";
    const std::size_t colon = part.title.find(": ");
    if (!part.title.empty())
      page += fmt::format("### `{}`{}\n\n", part.title.substr(0, colon), part.title.substr(colon));
    if (part.rows.empty()) continue;
    page += "| key | takes | default | meaning |\n| --- | --- | --- | --- |\n";
    for (const Cells& row : part.rows) {
      page += fmt::format("| `{}` | {} | `{}` | {} |\n", row[0], markdown_cell(row[1]), markdown_cell(row[2]),
                          markdown_cell(row[3]));
    }
  }
  return page;
}

}  // namespace saltus
