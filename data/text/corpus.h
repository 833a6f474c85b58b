#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace saltus {

/// Which documents a corpus itself sets apart. A corpus has either none or all of its documents assigned.
enum class Part { unassigned, train, test };

/// One text with its class. UTF-8, with at least one character that is not white space.
struct Document {
  std::int32_t label = 0;  // index into Corpus::classes
  std::string text;
  std::string source;  // where a person finds it: file:line, a file, a row of a data frame, or a package
  Part part = Part::unassigned;
};

/// Where a corpus comes from. Texts are empty where nothing is known: a user's own file has no licence that we know of.
struct Provenance {
  std::string name;         // as load_corpus was asked for it
  std::string source;       // package and version, or the path that was read
  std::string source_date;  // of the archive's release or of the package's build (UTC, ISO 8601)
  std::string licence;
  std::string sha256;     // hex, of what was read: of a package, of a release file, of a file, of a folder's files
  std::string retrieved;  // when it was fetched, or read from the user's path (UTC, ISO 8601)
};

/// Texts and their classes. There are at least two classes, and each has a document.
struct Corpus {
  std::vector<std::string> classes;  // sorted by name; by value when all are whole numbers
  std::vector<Document> documents;   // in the order of the source
  Provenance provenance;
};

/// The corpus that was fetched under this name (fetch.h), or the user's own at this path:
///   .tsv    a document a line, its columns separated by tabs, no quoting
///   .csv    as RFC 4180: "..." may hold commas, "" and line ends
///   folder  one subfolder a class, in it one .txt file a document; or two subfolders `train` and `test` of that kind;
///           anything else in them is refused, hidden files too, but for .DS_Store
/// If the first line of a table has the cells `label` and `text` (in any case) it is a header: these columns are read,
/// and `part` (train or test) and `source` if they are there; other columns are not. `escaped_text` instead of `text`
/// has \t, \n, \r and \\ for what a .tsv cannot hold. Without a header there are two columns, label and text. Throws
/// Error (bad_input) naming file and line and what is wrong with it; no document is passed over.
Corpus load_corpus(const std::string& name_or_path);

/// Where the user's own corpus of this path is, from the root; "" for the name of fetched texts.
std::string own_path(const std::string& name_or_path);

}  // namespace saltus
