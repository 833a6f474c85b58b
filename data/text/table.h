#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/text/assemble.h"

namespace saltus {

struct TableRow {
  std::int64_t line = 0;  // where it begins, from 1
  std::vector<std::string> cells;
};

/// The rows of a table; `path` is for messages. Lines end with \n or \r\n, the last may lack it; a byte order mark is
/// passed over. Cells of a .tsv are what is between tabs, those of a .csv are as in RFC 4180. Throws Error (bad_input)
/// for an empty line and for misused quotes.
std::vector<TableRow> tsv_rows(const std::string& path, std::string_view bytes);
std::vector<TableRow> csv_rows(const std::string& path, std::string_view bytes);

/// The documents of a table, whose columns are as load_corpus (corpus.h) says.
std::vector<LabelledText> table_texts(const std::string& path, const std::vector<TableRow>& rows);

/// \t, \n, \r and \\ for what a cell of a .tsv cannot hold, and back. unescaped() throws Error (bad_input) at `place`
/// for anything else behind a backslash.
std::string escaped(std::string_view text);
std::string unescaped(std::string_view text, const std::string& place);

}  // namespace saltus
