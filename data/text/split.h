#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/text/corpus.h"

namespace saltus {

/// What was done, for the record and for a person to judge.
struct SplitReport {
  struct Counts {
    std::int64_t train = 0, validation = 0, test = 0;
    std::int64_t total() const { return train + validation + test; }
  };
  std::vector<Counts> classes;      // documents of each part, [class]
  bool fixed_test = false;          // the corpus says which documents are the test part
  std::int64_t duplicates = 0;      // documents whose words are those of an earlier one
  std::int64_t contradictions = 0;  // of these, those of another class than the first
  std::int64_t removed = 0;         // documents of the corpus's train part whose words the test part has too: left out

  Counts total() const;
  /// A few lines for a person, without a line end after the last.
  std::string text(std::span<const std::string> class_names) const;
};

/// Documents of each part: indices into Corpus::documents, rising. A document is in at most one.
struct Split {
  std::vector<int> train, validation, test;
  SplitReport report;
};

/// Shares of the documents of each class.
struct SplitShares {
  double validation = 0.1;  // of all documents; of those that may be trained on where the corpus has a test part
  double test = 0.2;        // of all documents; not used where the corpus has a test part
};

/// Splits a corpus whose document i has words[i]. Documents with equal words never lie in two parts. Where the corpus
/// says which documents are the test part, it stays whole, and what of the train part has the words of a test document
/// is left out. All else that has equal words moves together.
///
/// Stratified: the groups of equal words are shuffled within each class (that of the group's first document) and fill
/// test and validation until these have their shares of it, rounded; a large group can overfill them. A pure function
/// of corpus and seed (Stream::task). Throws Error (bad_input) when a part is empty or a class has nothing to train on.
Split split_documents(const Corpus& corpus, std::span<const std::vector<std::string>> words, const SplitShares& shares,
                      std::uint64_t seed);

}  // namespace saltus
