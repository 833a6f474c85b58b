#include "data/text/table.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

#include "core/check.h"
#include "data/text/encoding.h"

namespace saltus {
namespace {

/// Takes a .csv apart, one cell at a time.
class CsvReader {
 public:
  CsvReader(const std::string& path, std::string_view bytes) : path_(path), rest_(bytes) {}

  bool done() const { return rest_.empty(); }
  TableRow row() {
    TableRow row{line_, {}};
    if (at_line_end()) fail_in(path_, line_, "the line is empty");
    do {
      row.cells.push_back(rest_.starts_with('"') ? quoted_cell() : plain_cell());
    } while (take_comma());
    take_line_end();
    return row;
  }

 private:
  bool at_line_end() const { return rest_.empty() || rest_[0] == '\n' || rest_.starts_with("\r\n"); }

  bool take_comma() {
    if (!rest_.starts_with(',')) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void take_line_end() {
    if (rest_.starts_with('\r')) rest_.remove_prefix(1);
    if (rest_.starts_with('\n')) rest_.remove_prefix(1);
    ++line_;
  }

  std::string plain_cell() {
    std::string cell;
    for (; !at_line_end() && rest_[0] != ','; rest_.remove_prefix(1)) {
      if (rest_[0] == '"')
        fail_in(path_, line_,
                "a quote inside a cell without quotes: write \"...\" around the cell and \"\" for a quote");
      cell += rest_[0];
    }
    return cell;
  }

  std::string quoted_cell() {
    const std::int64_t opened = line_;
    std::string cell;
    for (rest_.remove_prefix(1); !rest_.empty(); rest_.remove_prefix(1)) {
      if (rest_.starts_with("\"\"")) {
        rest_.remove_prefix(1);
      } else if (rest_[0] == '"') {
        rest_.remove_prefix(1);
        if (!at_line_end() && rest_[0] != ',')
          fail_in(path_, line_, "text behind a closing quote: inside quotes, a quote is written \"\"");
        return cell;
      }
      line_ += rest_[0] == '\n' ? 1 : 0;
      cell += rest_[0];
    }
    fail_in(path_, opened, "a quote is opened here and never closed");
  }

  const std::string& path_;
  std::string_view rest_;
  std::int64_t line_ = 1;
};

/// Where the columns are. Without a header: label, text.
struct Columns {
  bool header = false;
  std::size_t count = 2, label = 0, text = 1;
  bool is_escaped = false;
  std::optional<std::size_t> part, source;
};

Columns columns_of(const std::string& path, const TableRow& first) {
  std::map<std::string, std::size_t> found;
  std::string twice;
  for (std::size_t i = 0; i < first.cells.size(); ++i) {
    std::string name = first.cells[i];
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (!found.try_emplace(name, i).second) twice = name;
  }
  const auto at = [&found](const char* name) {
    return found.contains(name) ? std::optional(found[name]) : std::nullopt;
  };
  const auto plain = at("text"), escaped_text = at("escaped_text");
  if (!at("label") || (!plain && !escaped_text)) return {};
  if (plain && escaped_text) fail_in(path, first.line, "the header names both `text` and `escaped_text`");
  if (!twice.empty()) fail_in(path, first.line, fmt::format("the header names '{}' twice", twice));
  return {true, first.cells.size(), *at("label"), plain ? *plain : *escaped_text, !plain, at("part"), at("source")};
}

void check_count(const std::string& path, const TableRow& row, const Columns& columns) {
  if (row.cells.size() == columns.count) return;
  const bool csv = path.ends_with("csv");
  const char* mark = csv ? "comma" : "tab";
  if (row.cells.size() == 1)
    fail_in(path, row.line,
            fmt::format("there is no {} in this line: expected {}", mark,
                        columns.header ? "the header's columns" : "label, " + std::string(mark) + ", text"));
  fail_in(path, row.line,
          fmt::format("there are {} columns, expected {}{}{}", row.cells.size(), columns.count,
                      columns.header ? ", as in the header" : ", label and text (or a header line that names them)",
                      row.cells.size() < columns.count ? ""
                      : csv                            ? "; a text with commas needs quotes"
                            : "; a text with tabs needs a column `escaped_text`, or a .csv"));
}

Part part_of(const std::string& word, const std::string& place) {
  check_input(word == "train" || word == "test" || word.empty(),
              "{}: error: part '{}' is none of train, test and nothing", place, word);
  return word == "train" ? Part::train : word == "test" ? Part::test : Part::unassigned;
}

/// A header that we do not know looks like a document of a class of its own.
void refuse_unknown_header(const std::string& path, const std::vector<LabelledText>& texts) {
  std::map<std::string, int> counts;
  for (const LabelledText& t : texts) ++counts[t.label];
  const auto lonely = std::ranges::count_if(counts, [](const auto& entry) { return entry.second == 1; });
  if (lonely != 1 || texts.size() < 3 || counts[texts[0].label] != 1) return;
  fail_in(path, 1,
          fmt::format("this line has the only document of class '{}': if it is a header, call the columns `label` and "
                      "`text`; if it is a "
                      "document, put such a header above it",
                      texts[0].label));
}

}  // namespace

std::vector<TableRow> tsv_rows(const std::string& path, std::string_view bytes) {
  std::vector<TableRow> rows;
  std::string_view rest = without_byte_order_mark(bytes);
  for (std::int64_t line = 1; !rest.empty(); ++line) {
    std::string_view text = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty()) fail_in(path, line, "the line is empty");
    TableRow& row = rows.emplace_back(TableRow{line, {}});
    for (std::size_t from = 0; from <= text.size();) {
      const std::size_t to = std::min(text.find('\t', from), text.size());
      row.cells.emplace_back(text.substr(from, to - from));
      from = to + 1;
    }
  }
  return rows;
}

std::vector<TableRow> csv_rows(const std::string& path, std::string_view bytes) {
  std::vector<TableRow> rows;
  for (CsvReader reader(path, without_byte_order_mark(bytes)); !reader.done();) rows.push_back(reader.row());
  return rows;
}

std::vector<LabelledText> table_texts(const std::string& path, const std::vector<TableRow>& rows) {
  check_input(!rows.empty(), "{}: error: the file is empty", path);
  const Columns columns = columns_of(path, rows[0]);
  std::vector<LabelledText> texts;
  for (std::size_t i = columns.header ? 1 : 0; i < rows.size(); ++i) {
    const TableRow& row = rows[i];
    check_count(path, row, columns);
    const std::string place = fmt::format("{}:{}", path, row.line), &text = row.cells[columns.text];
    texts.push_back({row.cells[columns.label], columns.is_escaped ? unescaped(text, place) : text,
                     columns.source ? row.cells[*columns.source] : place, place,
                     columns.part ? part_of(row.cells[*columns.part], place) : Part::unassigned});
  }
  if (!columns.header) refuse_unknown_header(path, texts);
  return texts;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string unescaped(std::string_view text, const std::string& place) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    const char c = ++i < text.size() ? text[i] : ' ';
    check_input(c == 't' || c == 'n' || c == 'r' || c == '\\',
                "{}: error: '\\{}' in an escaped text: only \\t, \\n, \\r and \\\\ are known", place, c);
    out += c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : '\\';
  }
  return out;
}

}  // namespace saltus
