#include <rapidcheck.h>

#include "study.h"

// Each case is a config that somebody tired may write, and the whole message that they get.
namespace saltus {
namespace {

struct Case {
  std::string yaml;
  std::string message;
};

void check_all(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    INFO(c.yaml);
    CHECK(refusal_of(c.yaml) == c.message);
  }
}

void check_overrides(const std::vector<std::pair<std::vector<std::string>, std::string>>& cases) {
  for (const auto& [overrides, message] : cases) {
    INFO(overrides.back());
    CHECK(refusal_of("system: titans\n", overrides) == message);
  }
}

}  // namespace

TEST_CASE("refused: keys that nothing reads") {
  check_all({
      {"system: icl\noptimizer:\n  lerning_rate: 0.1\n",
       R"(x.yaml:3:3: error: unknown key 'lerning_rate' (did you mean 'learning_rate'?)
  3 |   lerning_rate: 0.1
    |   ^)"},
      {"system: icl\nn_heads: 2\n", R"(x.yaml:2:1: error: unknown key 'n_heads' (did you mean 'model.n_heads'?)
  2 | n_heads: 2
    | ^)"},
      {"system: icl\nmodel: {seed: 2}\n",
       R"(x.yaml:2:9: error: unknown key 'seed' (did you mean 'seed' at the top level?)
  2 | model: {seed: 2}
    |         ^)"},
      {"system: titans\nwindow: 2\n", R"(x.yaml:2:1: error: unknown key 'window' (did you mean 'memory.window'?)
  2 | window: 2
    | ^)"},
      {"system: icl\nmodel:\n  colour: red\n",
       R"(x.yaml:3:3: error: unknown key 'colour'; the keys here are d_model, n_heads, widths
  3 |   colour: red
    |   ^)"},
      {"system: icl\nmodel.n_heads: 2\n",
       R"(x.yaml:2:1: error: unknown key 'model.n_heads' (in a file, 'n_heads' goes below 'model:')
  2 | model.n_heads: 2
    | ^)"},
      {"system: icl\nmodel:\n  inherit: a.yaml\n", R"(x.yaml:3:3: error: 'inherit' works only at the top level of a file
  3 |   inherit: a.yaml
    |   ^)"},
      {"sytsem: icl\n", R"(x.yaml:1:1: error: unknown key 'sytsem' (did you mean 'system'?)
  1 | sytsem: icl
    | ^)"},
      {"seed: 1\n", "x.yaml: error: the key 'system' is missing: one of icl, titans"},
  });
}

TEST_CASE("refused: values of another type") {
  check_all({
      {"system: icl\nseed: abc\n", R"(x.yaml:2:7: error: seed: expected an integer, got text 'abc'
  2 | seed: abc
    |       ^)"},
      {"system: icl\nseed: 2.5\n", R"(x.yaml:2:7: error: seed: expected an integer, got number 2.5
  2 | seed: 2.5
    |       ^)"},
      {"system: icl\nseed: 15e-1\n", R"(x.yaml:2:7: error: seed: expected an integer, got number 15e-1
  2 | seed: 15e-1
    |       ^)"},
      {"system: icl\nseed: 60_000\n", R"(x.yaml:2:7: error: seed: expected an integer, got text '60_000' (write 60000)
  2 | seed: 60_000
    |       ^)"},
      {"system: icl\nseed: 010\n",
       R"(x.yaml:2:7: error: seed: expected an integer, got text '010' (leave out the leading zeros)
  2 | seed: 010
    |       ^)"},
      {"system: icl\nseed: 0x10\n", R"(x.yaml:2:7: error: seed: expected an integer, got text '0x10'
  2 | seed: 0x10
    |       ^)"},
      {"system: icl\nseed: '3'\n", R"(x.yaml:2:7: error: seed: expected an integer, got text '3' (leave out the quotes)
  2 | seed: '3'
    |       ^)"},
      {"system: icl\nseed: 1e19\n",
       R"(x.yaml:2:7: error: seed: expected an integer, got number 1e19 (it does not fit 64 bits)
  2 | seed: 1e19
    |       ^)"},
      {"system: icl\nseed: 1e999999\n",
       R"(x.yaml:2:7: error: seed: expected an integer, got number 1e999999 (it does not fit 64 bits)
  2 | seed: 1e999999
    |       ^)"},
      {"system: icl\noptimizer: {learning_rate: 1e400}\n",
       R"(x.yaml:2:28: error: optimizer.learning_rate: expected a number, got number 1e400 (it does not fit 64 bits)
  2 | optimizer: {learning_rate: 1e400}
    |                            ^)"},
      {"system: icl\noptimizer: {learning_rate: .inf}\n",
       R"(x.yaml:2:28: error: optimizer.learning_rate: expected a number, got text '.inf'
  2 | optimizer: {learning_rate: .inf}
    |                            ^)"},
      {"system: icl\nlog: yes\n", R"(x.yaml:2:6: error: log: expected true or false, got text 'yes' (write true)
  2 | log: yes
    |      ^)"},
      {"system: icl\nlog: 0\n", R"(x.yaml:2:6: error: log: expected true or false, got number 0 (write false)
  2 | log: 0
    |      ^)"},
      {"system: icl\nseed:\n", R"(x.yaml:2:1: error: seed: expected an integer, got null
  2 | seed:
    | ^)"},
      {"system: icl\nname: null\n",
       R"(x.yaml:2:1: error: name: expected a text, got null (an empty text is written '', the word null 'null')
  2 | name: null
    | ^)"},
      {"system: icl\nname: [a]\n", R"(x.yaml:2:7: error: name: expected a text, got a list
  2 | name: [a]
    |       ^)"},
      {"system: icl\nseed: {a: 1}\n", R"(x.yaml:2:7: error: seed: expected an integer, got a mapping
  2 | seed: {a: 1}
    |       ^)"},
      {"system: icl\nnoise: 0.5\n",
       R"(x.yaml:2:8: error: noise: expected a list of numbers >= 0, got number 0.5 (write [a, b, c])
  2 | noise: 0.5
    |        ^)"},
      {"system: icl\nnoise:\n  - 1\n  - true\n", R"(x.yaml:4:5: error: noise: item 2: expected a number, got true
  4 |   - true
    |     ^)"},
      {"system: icl\nmodel: big\n", R"(x.yaml:2:8: error: model: expected a mapping of keys, got text 'big'
  2 | model: big
    |        ^)"},
      {"system: icl\nmodel:\n", R"(x.yaml:2:1: error: model: expected a mapping of keys, got null
  2 | model:
    | ^)"},
      {"system: titans\nmemory: 4\n", R"(x.yaml:2:9: error: memory: expected a mapping of keys or null, got number 4
  2 | memory: 4
    |         ^)"},
  });
}

TEST_CASE("refused: values that are not allowed") {
  check_all({
      {"system: icl\nmodel:\n  n_heads: 0\n", R"(x.yaml:3:12: error: model.n_heads: must be >= 1, got 0
  3 |   n_heads: 0
    |            ^)"},
      {"system: titans\nmemory: {decay: 1.5}\n", R"(x.yaml:2:17: error: memory.decay: must be in [0, 1], got 1.5
  2 | memory: {decay: 1.5}
    |                 ^)"},
      {"system: icl\noptimizer: {clip: 0}\n", R"(x.yaml:2:19: error: optimizer.clip: must be > 0, got 0
  2 | optimizer: {clip: 0}
    |                   ^)"},
      {"system: icl\nmodel:\n  widths: [3, 0]\n", R"(x.yaml:3:15: error: model.widths: item 2: must be >= 1, got 0
  3 |   widths: [3, 0]
    |               ^)"},
      {"system: icl\noptimizer:\n  kind: sdg\n",
       R"(x.yaml:3:9: error: optimizer.kind: must be one of sgd, adam, got 'sdg' (did you mean 'sgd'?)
  3 |   kind: sdg
    |         ^)"},
      {"system: reddy\n", R"(x.yaml:1:9: error: system: must be one of icl, titans, got 'reddy'
  1 | system: reddy
    |         ^)"},
      {"system: icl\nmodel:\n  n_heads: 3\n", R"(x.yaml:3:12: error: model.n_heads: 3 heads do not divide d_model 8
  3 |   n_heads: 3
    |            ^)"},
      // The broken rule is about a key that the file does not set: its section is the nearest place.
      {"system: icl\nmodel:\n  d_model: 7\n", R"(x.yaml:2:1: error: model.n_heads: 2 heads do not divide d_model 7
  2 | model:
    | ^)"},
  });
}

TEST_CASE("refused: YAML that a config does not use") {
  check_all({
      {"system: icl\nseed: 1\nseed: 2\n", R"(x.yaml:3:1: error: duplicate key 'seed': it stands on line 2 already
  3 | seed: 2
    | ^)"},
      {"system: icl\nmodel: &m {}\noptimizer:\n  <<: *m\n",
       R"(x.yaml:4:3: error: merge keys ('<<') are not supported: put the shared keys into a file of their own and use 'inherit: file.yaml'
  4 |   <<: *m
    |   ^)"},
      {"system: icl\nseed: !!int 3\n", R"(x.yaml:2:7: error: tags ('!...') are not supported: every key has its own type
  2 | seed: !!int 3
    |       ^)"},
      {"system: icl\n---\nsystem: titans\n", R"(x.yaml:2:1: error: a second document ('---'): a config is one document
  2 | ---
    | ^)"},
      {"[a, b]: 1\n", R"(x.yaml:1:1: error: a key must be a word
  1 | [a, b]: 1
    | ^)"},
      {"system: icl\nnoise: &n [*n]\n", R"(x.yaml:2:12: error: this reference is part of what it refers to
  2 | noise: &n [*n]
    |            ^)"},
      {"- system: icl\n", R"(x.yaml:1:1: error: expected keys and values ('key: value'), got a list
  1 | - system: icl
    | ^)"},
      {"system:icl\n",
       R"(x.yaml:1:1: error: expected keys and values ('key: value'), got text 'system:icl' (put a space after the ':')
  1 | system:icl
    | ^)"},
      {"", "x.yaml: error: the file is empty: a config needs at least one key"},
      {"# only a remark\n", "x.yaml: error: the file is empty: a config needs at least one key"},
  });
}

TEST_CASE("refused: broken YAML") {
  check_all({
      {"system: icl\nmodel:\n\td_model: 4\n",
       R"(x.yaml:3:1: error: a tab in the indentation: YAML allows only spaces there
  3 | )"
       "\t"
       R"(d_model: 4
    | ^)"},
      {"system: icl\n  seed: 2\n",
       R"(x.yaml:2:7: error: broken YAML: illegal map value (check the indentation; a text that contains ': ' needs quotes)
  2 |   seed: 2
    |       ^)"},
      {"  system: icl\nseed: 2\n", R"(x.yaml:2:1: error: broken YAML: this line does not line up with the first one
  2 | seed: 2
    | ^)"},
      {"model:\n  d_model: 4\n n_heads: 2\n",
       R"(x.yaml:3:2: error: broken YAML: end of map not found (check the indentation)
  3 |  n_heads: 2
    |  ^)"},
      {"noise: [1, 2\n\n", R"(x.yaml:1:13: error: broken YAML: end of sequence flow not found (a '[' is not closed)
  1 | noise: [1, 2
    |             ^)"},
      {"name: \"a\nseed: 2\n", R"(x.yaml:1:7: error: this quote is never closed
  1 | name: "a
    |       ^)"},
      {"name: @home\n",
       R"(x.yaml:1:7: error: broken YAML: unknown token (a text that starts with this character needs quotes)
  1 | name: @home
    |       ^)"},
      {"naïve: 'ü' ]\n", R"(x.yaml:1:14: error: broken YAML: illegal flow end
  1 | naïve: 'ü' ]
    |            ^)"},
      {"name: \xFF\n", "x.yaml: error: not a text file in UTF-8"},
  });
}

TEST_CASE("refused: files that cannot be read") {
  const Folder folder;
  folder.write("configs/base.yaml", "optimizer:\n  lerning_rate: 1\n");
  folder.write("configs/study.yaml", "inherit: base.yaml\nsystem: icl\n");
  folder.write("configs/lost.yaml", "system: icl\ninherit: [base.yaml, no.yaml]\n");
  folder.write("configs/list.yaml", "inherit:\n  - {a: 1}\n");
  folder.write("a.yaml", "inherit: configs/../b.yaml\n");
  folder.write("b.yaml", "inherit: a.yaml\n");
  CHECK(Folder::refusal_of("no.yaml") == "no.yaml: error: no such file");
  CHECK(Folder::refusal_of("configs") == "configs: error: is a folder, not a file");
  // A file that even root cannot read.
  CHECK(Folder::refusal_of("/proc/self/mem") == "/proc/self/mem: error: cannot be read: Input/output error");
  CHECK(Folder::refusal_of("/dev/zero") == "/dev/zero: error: larger than 16 MiB: is this a config?");
  CHECK(Folder::refusal_of("configs/study.yaml") ==
        R"(configs/base.yaml:2:3: error: unknown key 'lerning_rate' (did you mean 'learning_rate'?)
  2 |   lerning_rate: 1
    |   ^)");
  CHECK(Folder::refusal_of("configs/lost.yaml") ==
        R"(configs/lost.yaml:2:22: error: inherit: 'configs/no.yaml': no such file
  2 | inherit: [base.yaml, no.yaml]
    |                      ^)");
  CHECK(Folder::refusal_of("configs/list.yaml") ==
        R"(configs/list.yaml:2:5: error: inherit: expected a file or a list of files, got a mapping
  2 |   - {a: 1}
    |     ^)");
  CHECK(Folder::refusal_of("a.yaml") == R"(b.yaml:1:10: error: inherit goes in a circle: a.yaml -> b.yaml -> a.yaml
  1 | inherit: a.yaml
    |          ^)");
}

TEST_CASE("refused: overrides") {
  check_overrides({
      {{"seed=1", "model.n_hed=2"},
       "<command line>: override 2 'model.n_hed=2': unknown key 'model.n_hed' (did you mean 'model.n_heads'?)"},
      {{"n_heads=2"}, "<command line>: override 1 'n_heads=2': unknown key 'n_heads' (did you mean 'model.n_heads'?)"},
      {{"--model.n_heads", "two"},
       "<command line>: override 1 '--model.n_heads two': expected an integer, got text 'two'"},
      {{"model.n_heads=0"}, "<command line>: override 1 'model.n_heads=0': must be >= 1, got 0"},
      {{"model={n_heads: 0}"}, "<command line>: override 1 'model={n_heads: 0}': model.n_heads: must be >= 1, got 0"},
      {{"model={n_heads: 1, n_heads: 2}"},
       "<command line>: override 1 'model={n_heads: 1, n_heads: 2}': duplicate key 'n_heads'"},
      {{"model.n_heads=3"},
       "<command line>: override 1 'model.n_heads=3': model.n_heads: 3 heads do not divide d_model 8"},
      {{"optimizer.kind=adma"},
       "<command line>: override 1 'optimizer.kind=adma': must be one of sgd, adam, got 'adma' (did you mean 'adam'?)"},
      {{"model.widths=1,2"},
       "<command line>: override 1 'model.widths=1,2': expected a list of integers >= 1, got text '1,2' (write [a, b, "
       "c])"},
      {{"model.widths=[1, 2"},
       "<command line>: override 1 'model.widths=[1, 2': broken YAML: end of sequence flow not found (a '[' is not "
       "closed)"},
      {{"seed.x=1"}, "<command line>: override 1 'seed.x=1': seed: expected an integer, got a mapping"},
      {{"seed="}, "<command line>: override 1 'seed=': expected an integer, got null"},
      {{"log=True"}, "<command line>: override 1 'log=True': expected true or false, got text 'True' (write true)"},
      {{"model..n_heads=1"},
       "<command line>: override 1 'model..n_heads=1': 'model..n_heads' is not a path of keys such as model.n_heads"},
      {{"inherit=a.yaml"},
       "<command line>: override 1 'inherit=a.yaml': unknown key 'inherit'; the keys here are system, name, seed, "
       "stop_at, log, "
       "noise, labels, model, memory, optimizer"},
      {{"name=\xFF"}, "<command line>: override 1 'name=\xFF': not a text in UTF-8"},
      {{"seed=1", "fast"}, "<command line>: override 2 'fast': expected path.to.key=value (or --path.to.key value)"},
      {{"-v=1"}, "<command line>: override 1 '-v=1': expected path.to.key=value (or --path.to.key value)"},
      {{"=1"}, "<command line>: override 1 '=1': expected path.to.key=value (or --path.to.key value)"},
      {{"--seed"}, "<command line>: override 1 '--seed': a value must follow"},
      {{"--seed", "--log=true"}, "<command line>: override 1 '--seed': a value must follow"},
  });
}

TEST_CASE("no text, however damaged, gets anything but a reading or a message") {
  const std::string intact =
      "system: titans\nname: &a 'x'\nnoise: [1, *a]\nmodel: {d_model: 4}\nmemory:\n  window: \"2\"\n";
  CHECK(rc::check("damaged text", [&] {
    std::string yaml = intact;
    for (int edits = *rc::gen::inRange(1, 6); edits > 0; --edits) {
      const auto at = *rc::gen::inRange<std::size_t>(0, yaml.size());
      const char byte =
          *rc::gen::oneOf(rc::gen::elementOf(std::string(" \n\t:-[]{}'\"&*!|>#,?%@")), rc::gen::arbitrary<char>());
      if (*rc::gen::arbitrary<bool>())
        yaml[at] = byte;
      else
        yaml.insert(at, 1, byte);
    }
    try {
      read_study(yaml);
    } catch (const Error& e) {
      RC_ASSERT(e.code() == ExitCode::bad_input);
      RC_ASSERT(std::string(e.what()).starts_with("x.yaml"));
    }
  }));
}

TEST_CASE("a key that is listed twice is a mistake in the program") {
  std::int64_t n = 0;
  CHECK_THROWS_WITH(read_config_text("x.yaml", "n: 1\n", {},
                                     [&](Fields& f) {
                                       f.field("n", n, "once");
                                       f.field("n", n, "twice");
                                     }),
                    "config: the key 'n' is listed twice");
}

}  // namespace saltus
