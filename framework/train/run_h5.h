#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/attributes.h"
#include "train/journal.h"
#include "train/layout.h"

namespace saltus {

/// All that a run has recorded.
struct RunContent {
  const Attributes& attributes;
  const Journal& journal;
  std::span<const std::vector<std::int64_t>> steps;  // of each table's rows in the journal, sorted
};

/// Puts a new, complete run.h5 into `folder`: written beside the old one, synced, renamed over it. A reader finds the
/// old file or the new one, at any moment and after any crash. One group for each table of the (validated) layout;
/// equal content gives equal bytes. Memory: one chunk of each variable, which is 256 KiB or one row. Throws "cannot
/// write <folder>/run.h5: ..." when it fails; the old file is then untouched and the unfinished one removed.
void replace_run_h5(const std::string& folder, const Layout& layout, const RunContent& content);

/// Refuses, as bad input, to write a result to `path` when something is there: without `overwrite` anything, with it whatever is not such a
/// result itself, for example a run's run.h5.
void check_result_path(const std::string& path, bool overwrite);

/// Writes a file of constants alone, one group for each table, in the same way and with the same guarantees; folders that are missing are
/// made. Its root attribute result_version says what it is. Throws "cannot write <path>: ...".
void write_result_file(const std::string& path, const Layout& layout, const Attributes& attributes);

}  // namespace saltus
