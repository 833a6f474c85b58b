#include "data/text/split.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "core/check.h"
#include "core/rng.h"

namespace saltus {
namespace {

/// The documents that have one and the same words.
struct Group {
  std::vector<int> documents;  // rising
  bool in_test = false;        // one of them is in the corpus's own test part
};

std::vector<Group> groups_of(const Corpus& corpus, std::span<const std::vector<std::string>> words) {
  const auto before = [](const auto* a, const auto* b) { return *a < *b; };
  std::map<const std::vector<std::string>*, std::size_t, decltype(before)> seen(before);
  std::vector<Group> groups;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto [at, is_new] = seen.try_emplace(&words[i], groups.size());
    if (is_new) groups.emplace_back();
    Group& group = groups[at->second];
    group.documents.push_back(static_cast<int>(i));
    group.in_test = group.in_test || corpus.documents[i].part == Part::test;
  }
  return groups;
}

class Splitter {
 public:
  Splitter(const Corpus& corpus, std::vector<Group> groups) : corpus_(corpus), groups_(std::move(groups)) {
    SplitReport& report = split_.report;
    report.classes.resize(corpus.classes.size());
    report.fixed_test = !corpus.documents.empty() && corpus.documents.front().part != Part::unassigned;
    for (const Group& group : groups_) {
      report.duplicates += static_cast<std::int64_t>(group.documents.size()) - 1;
      for (int d : group.documents) report.contradictions += label(d) != label(group.documents.front());
    }
  }

  Split run(const SplitShares& shares, std::uint64_t seed) {
    take_fixed_test();
    std::vector<std::vector<const Group*>> by_class(corpus_.classes.size());
    for (const Group& group : groups_) {
      if (!group.in_test) by_class[label(group.documents.front())].push_back(&group);
    }
    const Rng rng(seed, Stream::task);
    for (std::size_t c = 0; c < by_class.size(); ++c) {
      RngCursor cursor(rng, static_cast<std::uint32_t>(c), 0, lane_split);
      std::vector<const Group*>& mine = by_class[c];
      for (std::size_t n = mine.size(); n > 1; --n)
        std::swap(mine[n - 1], mine[cursor.below(static_cast<std::uint32_t>(n))]);
      deal(mine, shares);
    }
    for (std::vector<int>* part : {&split_.train, &split_.validation, &split_.test}) std::ranges::sort(*part);
    check_parts();
    return std::move(split_);
  }

 private:
  /// Apart from the lanes of the task that samples (text_classification.cpp), which uses other streams.
  static constexpr std::uint32_t lane_split = 0;

  std::size_t label(int document) const {
    return static_cast<std::size_t>(corpus_.documents[static_cast<std::size_t>(document)].label);
  }

  void put(int document, std::vector<int> Split::*part, std::int64_t SplitReport::Counts::*count) {
    (split_.*part).push_back(document);
    ++(split_.report.classes[label(document)].*count);
  }

  void take_fixed_test() {
    for (const Group& group : groups_) {
      if (!group.in_test) continue;
      for (int d : group.documents) {
        if (corpus_.documents[static_cast<std::size_t>(d)].part == Part::test) {
          put(d, &Split::test, &SplitReport::Counts::test);
        } else {
          ++split_.report.removed;
        }
      }
    }
  }

  /// Deals the groups of one class, which are in random order.
  void deal(const std::vector<const Group*>& groups, const SplitShares& shares) {
    std::int64_t documents = 0;
    for (const Group* group : groups) documents += static_cast<std::int64_t>(group->documents.size());
    const auto share = [documents](double s) { return std::llround(s * static_cast<double>(documents)); };
    std::int64_t test = split_.report.fixed_test ? 0 : share(shares.test), validation = share(shares.validation);
    for (const Group* group : groups) {
      const auto size = static_cast<std::int64_t>(group->documents.size());
      // Into the first part that has room for the whole of it: a text that is there many times must not fill a small part alone.
      std::int64_t unlimited = size;
      for (auto [part, count, room] : {std::tuple(&Split::test, &SplitReport::Counts::test, &test),
                                       std::tuple(&Split::validation, &SplitReport::Counts::validation, &validation),
                                       std::tuple(&Split::train, &SplitReport::Counts::train, &unlimited)}) {
        if (size > *room) continue;
        for (int d : group->documents) put(d, part, count);
        *room -= size;
        break;
      }
    }
  }

  void check_parts() const {
    const SplitReport::Counts n = split_.report.total();
    check_input(n.train > 0 && n.validation > 0 && n.test > 0,
                "{}: {} documents{} are too few: split they give {} to train on, {} to validate and {} to test",
                corpus_.provenance.name, corpus_.documents.size(),
                split_.report.duplicates > 0 ? fmt::format(", of which {} differ,", groups_.size()) : "", n.train,
                n.validation, n.test);
    for (std::size_t c = 0; c < corpus_.classes.size(); ++c) {
      check_input(split_.report.classes[c].train > 0,
                  "{}: there is no document to train on of class '{}', which has {}", corpus_.provenance.name,
                  corpus_.classes[c], split_.report.classes[c].total());
    }
  }

  const Corpus& corpus_;
  std::vector<Group> groups_;
  Split split_;
};

}  // namespace

SplitReport::Counts SplitReport::total() const {
  Counts sum;
  for (const Counts& c : classes) {
    sum.train += c.train;
    sum.validation += c.validation;
    sum.test += c.test;
  }
  return sum;
}

std::string SplitReport::text(std::span<const std::string> class_names) const {
  std::size_t width = 5;
  for (const std::string& name : class_names) width = std::max(width, name.size());
  std::string out = fmt::format("{:{}}  {:>7} {:>10} {:>7}\n", "class", width, "train", "validation", "test");
  const auto row = [&](const std::string& name, const Counts& c) {
    out += fmt::format("{:{}}  {:7} {:10} {:7}\n", name, width, c.train, c.validation, c.test);
  };
  for (std::size_t c = 0; c < classes.size(); ++c) row(class_names[c], classes[c]);
  row("all", total());
  out += fmt::format("test part: {}", fixed_test ? "the corpus's own" : "drawn");
  if (duplicates > 0)
    out += fmt::format("\n{} documents have the words of an earlier one, {} of them in another class", duplicates,
                       contradictions);
  if (removed > 0) out += fmt::format("\n{} of the train part have the words of a test document: left out", removed);
  return out;
}

Split split_documents(const Corpus& corpus, std::span<const std::vector<std::string>> words, const SplitShares& shares,
                      std::uint64_t seed) {
  check(words.size() == corpus.documents.size(), "{} lists of words for {} documents", words.size(),
        corpus.documents.size());
  return Splitter(corpus, groups_of(corpus, words)).run(shares, seed);
}

}  // namespace saltus
