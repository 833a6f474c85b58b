#include <cstring>

#include "run_folder.h"
#include "train/journal.h"

namespace saltus::tests {
namespace {

/// A record as a test compares it.
struct Row {
  std::uint32_t table;
  std::int64_t step;
  std::string payload;
  bool operator==(const Row&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Row& r) {
  return out << r.table << "@" << r.step << ":" << r.payload.substr(0, 20);
}

void append(Journal& journal, const Row& row) {
  const std::span<const std::byte> part = std::as_bytes(std::span(row.payload));
  journal.append(row.table, row.step, {&part, 1});
}

std::vector<Row> rows(const Journal& journal) {
  std::vector<Row> all;
  journal.for_each([&](const JournalRecord& r) {
    all.push_back({r.table, r.step, std::string(reinterpret_cast<const char*>(r.payload.data()), r.payload.size())});
  });
  return all;
}

const Row kFirst{0, 1, "first"}, kSecond{1, 1, "the second"}, kThird{0, 2, "and a third"};

/// A journal of the three rows; returns where each record ends.
std::vector<std::uint64_t> write_three(const std::string& path) {
  Journal journal = Journal::create(path, "layout");
  std::vector<std::uint64_t> ends;
  for (const Row& row : {kFirst, kSecond, kThird}) {
    append(journal, row);
    ends.push_back(journal.size());
  }
  return ends;
}

}  // namespace

TEST_CASE("a journal gives back its rows, to the process that writes it and to the next one") {
  const TempFolder folder;
  const std::string path = folder / "journal.bin";
  {
    Journal journal = Journal::create(path, "layout");
    append(journal, kFirst);
    CHECK(rows(journal) == std::vector{kFirst});
    append(journal, kSecond);
    journal.sync();
    CHECK(rows(journal) == std::vector{kFirst, kSecond});
  }
  Journal journal = Journal::reopen(path, "layout");
  CHECK(journal.torn_bytes() == 0);
  append(journal, kThird);
  CHECK(rows(journal) == std::vector{kFirst, kSecond, kThird});
}

TEST_CASE("a record may be empty, of several parts, or longer than the reader's block") {
  const TempFolder folder;
  Journal journal = Journal::create(folder / "journal.bin", "layout");
  const std::string mega(3'000'001, 'x'), a = "a", b = "bc";
  append(journal, {0, 0, ""});
  append(journal, {0, 1, mega});
  const std::span<const std::byte> parts[] = {std::as_bytes(std::span(a)), std::as_bytes(std::span(b))};
  journal.append(7, -5, parts);
  CHECK(rows(journal) == std::vector<Row>{{0, 0, ""}, {0, 1, mega}, {7, -5, "abc"}});
}

TEST_CASE("a tail torn at any byte of the last record is cut off, and the journal goes on") {
  const TempFolder folder;
  const std::vector<std::uint64_t> ends = write_three(folder / "whole");
  const std::string whole = read_file(folder / "whole");
  for (std::uint64_t size = ends[1]; size < ends[2]; ++size) {
    CAPTURE(size);
    write_file(folder / "torn", whole.substr(0, size));
    Journal journal = Journal::reopen(folder / "torn", "layout");
    REQUIRE(journal.torn_bytes() == size - ends[1]);
    REQUIRE(rows(journal) == std::vector{kFirst, kSecond});
    append(journal, kThird);
    REQUIRE(read_file(folder / "torn") == whole);
  }
}

TEST_CASE("a flipped bit anywhere in a record ends the journal before it") {
  const TempFolder folder;
  const std::vector<std::uint64_t> ends = write_three(folder / "whole");
  const std::string whole = read_file(folder / "whole");
  for (std::uint64_t at = ends[0]; at < ends[1]; ++at) {
    CAPTURE(at);
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    write_file(folder / "damaged", damaged);
    REQUIRE(rows(Journal::reopen(folder / "damaged", "layout")) == std::vector{kFirst});
  }
}

TEST_CASE("zeros, which a power cut can leave at the end of a file, are no record") {
  const TempFolder folder;
  const std::vector<std::uint64_t> ends = write_three(folder / "journal.bin");
  write_file(folder / "journal.bin", read_file(folder / "journal.bin") + std::string(100, '\0'));
  const Journal journal = Journal::reopen(folder / "journal.bin", "layout");
  CHECK(journal.torn_bytes() == 100);
  CHECK(rows(journal).size() == 3);
}

TEST_CASE("damage that appears while the journal is open is an error, not a shorter run") {
  const TempFolder folder;
  Journal journal = Journal::create(folder / "journal.bin", "layout");
  append(journal, kFirst);
  std::string bytes = read_file(folder / "journal.bin");
  bytes.back() = '?';
  write_file(folder / "journal.bin", bytes);
  CHECK_THROWS_WITH(rows(journal), Catch::Contains("journal.bin is damaged at byte"));
}

TEST_CASE("cutting goes back to the moment before a step, rows that were appended late included") {
  const TempFolder folder;
  Journal journal = Journal::create(folder / "journal.bin", "layout");
  const Row late{1, 10, "a snapshot of step 10, kept until the jump at step 30 was seen"};
  const std::vector<Row> all = {{0, 10, "a"}, {0, 20, "b"}, {0, 30, "c"}, late};
  for (const Row& row : all) append(journal, row);

  const auto [step, left] = GENERATE(table<int, int>({{31, 4}, {30, 2}, {21, 2}, {20, 1}, {10, 0}, {-1, 0}}));
  CAPTURE(step);
  journal.cut(step);
  CHECK(rows(journal) == std::vector<Row>(all.begin(), all.begin() + left));
  append(journal, {0, 99, "on"});
  CHECK(rows(journal).size() == static_cast<std::size_t>(left) + 1);
}

TEST_CASE("a journal that cannot be gone on with is refused with its path and the reason") {
  const TempFolder folder;
  const std::string path = folder / "journal.bin";
  CHECK_THROWS_WITH(Journal::reopen(path, "layout"), Catch::Contains(path) && Catch::Contains("No such file"));
  write_three(path);
  CHECK_THROWS_WITH(Journal::create(path, "layout"), Catch::Contains(path) && Catch::Contains("exists"));
  CHECK_THROWS_WITH(Journal::reopen(path, "another"), Catch::Contains(path) && Catch::Contains("other variables"));
  {
    const Journal holder = Journal::reopen(path, "layout");
    CHECK_THROWS_WITH(Journal::reopen(path, "layout"), Catch::Contains(path) && Catch::Contains("another process"));
  }
  write_file(path, "no journal at all, but some text");
  CHECK_THROWS_WITH(Journal::reopen(path, "layout"), Catch::Contains(path) && Catch::Contains("not a saltus journal"));
}

TEST_CASE("a journal deleted under its writer is noticed at the next sync") {
  const TempFolder folder;
  Journal journal = Journal::create(folder / "journal.bin", "layout");
  std::filesystem::remove(folder / "journal.bin");
  append(journal, kFirst);
  CHECK_THROWS_WITH(journal.sync(), Catch::Contains("journal.bin was deleted"));
}

}  // namespace saltus::tests
