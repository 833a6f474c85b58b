#include "study.h"

namespace saltus {

TEST_CASE("a file sets what it names and leaves the rest at its default") {
  const Study study = read_study(R"(
system: titans
seed: 7
log: false
noise: [0, 0.5]
labels: [plain, 'with, comma']
model:
  widths: []
memory:
  window: 2
optimizer: {kind: adam, clip: 1}
)");
  Study expected;
  expected.system = "titans";
  expected.seed = 7;
  expected.log = false;
  expected.noise = {0, 0.5};
  expected.labels = {"plain", "with, comma"};
  expected.model.widths = {};
  expected.memory = Study::Memory{.window = 2};
  expected.optimizer = {.kind = "adam", .clip = 1.0};
  CHECK(study == expected);
}

TEST_CASE("null takes an optional value or section away, an empty mapping brings a section in") {
  Study study;
  study.stop_at = 5;
  study.memory = Study::Memory{};
  const auto list = [&](Fields& f) { study.fields(f); };
  read_config_text("x.yaml", "system: titans\nstop_at: null\nmemory: ~\n", {}, list);
  CHECK_FALSE(study.stop_at.has_value());
  CHECK_FALSE(study.memory.has_value());
  read_config_text("x.yaml", "system: titans\nmemory: {}\n", {}, list);
  CHECK(study.memory == Study::Memory{});
}

TEST_CASE("integers may have an exponent when they are whole") {
  const auto seed = [](const std::string& text) { return read_study("system: icl\nseed: " + text).seed; };
  CHECK(seed("1e3") == 1000);
  CHECK(seed("1.25E+2") == 125);
  CHECK(seed("1200e-2") == 12);
  CHECK(seed("0e9") == 0);
  CHECK(seed("-3") == -3);
  CHECK(seed("+3") == 3);
  CHECK(seed("9223372036854775807") == 9223372036854775807);
  CHECK(seed("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
}

TEST_CASE("anything on one line is a text where a text belongs") {
  CHECK(read_study("system: icl\nname: 12").name == "12");
  CHECK(read_study("system: icl\nname: true").name == "true");
  CHECK(read_study("system: icl\nname: 'null'").name == "null");
  CHECK(read_study("system: icl\nname: ''").name.empty());
}

TEST_CASE("a byte order mark, Windows line ends and tabs that indent nothing do no harm") {
  CHECK(read_study("\xEF\xBB\xBFsystem: icl\r\nseed:\t3\t# remark\r\n\t\r\nmodel:\r\n  d_model: 4\r\n").model.d_model ==
        4);
}

TEST_CASE("overrides are applied in order, in each of their spellings") {
  const Study study = read_study("system: titans\nmemory: null\nmodel: {d_model: 6}\n",
                                 {"seed=1", "--model.d_model", "12", "--optimizer.kind=adam", "seed=2",
                                  "memory.window=9", "model.widths=[1, 2]", "stop_at=", "--optimizer.clip", "1e-3"});
  CHECK(study.seed == 2);
  CHECK(study.model.d_model == 12);
  CHECK(study.model.widths == std::vector<std::int64_t>{1, 2});
  CHECK(study.optimizer.kind == "adam");
  CHECK(study.optimizer.clip == 1e-3);
  CHECK(study.memory->window == 9);
}

TEST_CASE("an override's text needs no quotes, and may have them") {
  const auto name = [](const std::string& value) { return read_study("system: icl", {"name=" + value}).name; };
  CHECK(name("a: b #1 = c") == "a: b #1 = c");
  CHECK(name("'null'") == "null");
  CHECK(name("\"\"").empty());
}

TEST_CASE("inherited files come first, in order, and the file itself has the last word") {
  const Folder folder;
  folder.write("base/net.yaml", "model: {d_model: 4, n_heads: 4}\nseed: 1\n");
  folder.write("base/sgd.yaml", "inherit: net.yaml\noptimizer: {learning_rate: 0.5, clip: 2}\nseed: 2\nname: sgd\n");
  folder.write("study.yaml",
               "inherit: [base/net.yaml, base/sgd.yaml]\nsystem: icl\nmodel:\n  d_model: 8\noptimizer: {clip: null}\n");
  const Study study = Folder::read("study.yaml", {"optimizer.learning_rate=0.25"});
  CHECK(study.model.d_model == 8);
  CHECK(study.model.n_heads == 4);
  CHECK(study.seed == 2);
  CHECK(study.name == "sgd");
  CHECK(study.optimizer.learning_rate == 0.25);
  CHECK_FALSE(study.optimizer.clip.has_value());
}

TEST_CASE("a misspelt key is reported rather than the rule that it breaks, wherever it stands") {
  CHECK(refusal_of("system: icl\nmodel:\n  d_model: 9\n  n_head: 3\n") ==
        R"(x.yaml:4:3: error: unknown key 'n_head' (did you mean 'n_heads'?)
  4 |   n_head: 3
    |   ^)");
  // The last section of the list comes first in the file: the order of the file counts.
  CHECK(refusal_of("system: icl\noptimizer:\n  klip: 1\nmodel:\n  d_modle: 4\n") ==
        R"(x.yaml:3:3: error: unknown key 'klip' (did you mean 'clip'?)
  3 |   klip: 1
    |   ^)");
}

}  // namespace saltus
