#include <sys/wait.h>

#include <csignal>

#include "core/check.h"
#include "run_folder.h"

namespace saltus::tests {
namespace {

/// Whether h5diff finds no difference between two files.
bool same_content(const std::string& a, const std::string& b) {
  const int status = std::system(("h5diff " + a + " " + b + " > /dev/null 2>&1").c_str());
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) < 2);  // 2: h5diff itself failed, or is not installed
  return WEXITSTATUS(status) == 0;
}

std::string text_attribute(const std::string& path, const std::string& name) {
  const hdf5::Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), "open " + path);
  const hdf5::Handle attribute(H5Aopen(file.get(), name.c_str(), H5P_DEFAULT), "open " + name);
  char* text = nullptr;
  hdf5::ensure(H5Aread(attribute.get(), hdf5::string_type().get(), &text), "read " + name);
  const std::string copy = text;
  H5free_memory(text);
  return copy;
}

/// Runs 250 steps in `folder`, flushing after every `flush_every` of them; 0: only at the end.
void run_250(const std::string& folder, std::int64_t flush_every) {
  RunFile run = RunFile::create(folder, small_layout(), {{"seed", std::int64_t{7}}});
  for (std::int64_t step = 0; step < 250; ++step) {
    append_step(run, step);
    if (flush_every > 0 && step % flush_every == 0) run.flush();
  }
  run.finish(RunStatus::done);
}

Layout with_dims(std::vector<std::string> dims) {
  return {{.group = "g", .dims = {{"d_model", 4}}, .variables = {{"x", std::move(dims)}}}};
}

}  // namespace

TEST_CASE("run.h5 holds what was appended") {
  const TempFolder folder;
  run_250(folder / "run", 0);
  const std::string path = folder / "run/run.h5";
  const std::vector<double> loss = read_values(path, "/train/loss");
  REQUIRE(loss.size() == 250);
  CHECK(loss[3] == 0.25);
  CHECK(read_values(path, "/train/lr") == std::vector<double>(250, 0.5));
  CHECK(read_values(path, "/train/step")[249] == 249);
  CHECK(read_values(path, "/eval/accuracy")[2 * 7 + 1] == -70);
  CHECK(read_values(path, "/weights/ckpt_step") == std::vector<double>{0, 100, 200});
  CHECK(read_values(path, "/weights/QK")[256 + 255] == 100);
  CHECK(read_values(path, "/weights/labels") == std::vector<double>(16, 3));
}

TEST_CASE("run.h5 does not depend on when it was written") {
  const TempFolder folder;
  run_250(folder / "at_the_end", 0);
  for (const int every : {1, 7, 100}) {
    const std::string name = "every" + std::to_string(every);
    run_250(folder / name, every);
    CHECK(same_content(folder / "at_the_end/run.h5", folder / (name + "/run.h5")));
    CHECK(same_bytes(folder / "at_the_end/run.h5", folder / (name + "/run.h5")));
  }
}

TEST_CASE("one other value makes another run.h5") {  // so that the comparison above can fail
  const TempFolder folder;
  for (const float loss : {1.0f, 1.5f}) {
    RunFile run = RunFile::create(folder / std::to_string(loss), small_layout(), {});
    run.append("train", 0, {loss, 0.5});
    run.finish(RunStatus::done);
  }
  CHECK_FALSE(same_content(folder / "1.000000/run.h5", folder / "1.500000/run.h5"));
}

TEST_CASE("a complete run.h5 is there from the first moment, and its status follows the run") {
  const TempFolder folder;
  const std::string path = folder / "deep/er/run.h5";
  RunFile run = RunFile::create(folder / "deep/er", small_layout(), {{"note", "first"}});
  CHECK(read_values(path, "/train/loss").empty());
  CHECK(text_attribute(path, "status") == "running");
  CHECK(text_attribute(path, "note") == "first");
  run.set_attribute("note", "second");
  append_step(run, 0);
  run.flush();
  CHECK(text_attribute(path, "note") == "second");

  const auto [status, word, journal_stays] =
      GENERATE(table<RunStatus, std::string, bool>({{RunStatus::done, "done", false},
                                                    {RunStatus::diverged, "diverged", false},
                                                    {RunStatus::failed, "failed", true},
                                                    {RunStatus::interrupted, "interrupted", true}}));
  run.finish(status);
  CHECK(text_attribute(path, "status") == word);
  CHECK(read_values(path, "/train/loss").size() == 1);
  CHECK(std::filesystem::exists(folder / "deep/er/journal.bin") == journal_stays);
}

TEST_CASE("an interrupted run, resumed, ends with the bytes of one that was not") {
  const TempFolder folder;
  run_250(folder / "straight", 0);

  RunFile first = RunFile::create(folder / "broken", small_layout(), {{"seed", std::int64_t{7}}});
  for (std::int64_t step = 0; step < 173; ++step) append_step(first, step);
  const auto resume_at = GENERATE(0, 100, 150, 173);
  CAPTURE(resume_at);
  { const RunFile killed = std::move(first); }  // no finish(), as after SIGKILL
  std::ofstream(folder / "broken/journal.bin", std::ios::app) << "half a record";

  RunFile second = RunFile::resume(folder / "broken", small_layout(), {{"seed", std::int64_t{7}}}, resume_at);
  CHECK(static_cast<std::int64_t>(second.steps("train").size()) == resume_at);
  if (resume_at > 0)
    CHECK_THROWS_WITH(second.append("train", resume_at - 1, {1.0f, 0.5}), Catch::Contains("has a row for step"));
  for (std::int64_t step = resume_at; step < 250; ++step) append_step(second, step);
  second.finish(RunStatus::done);
  CHECK(same_bytes(folder / "straight/run.h5", folder / "broken/run.h5"));
}

TEST_CASE("rows of a table that takes late ones come out in the order of their steps, whenever they were appended") {
  const TempFolder folder;
  Layout layout = small_layout();
  layout[2].late_rows = true;
  const auto write = [&](const std::string& name, const std::vector<std::int64_t>& order, bool flush_between) {
    RunFile run = RunFile::create(folder / name, layout, {});
    for (std::int64_t step : order) {
      run.append("weights", step, {std::vector<float>(256, static_cast<float>(step))});
      if (flush_between) run.flush();
    }
    CHECK_THROWS_WITH(run.append("weights", 7, {std::vector<float>(256)}), "run file: weights has a row for step 7 already");
    run.finish(RunStatus::done);
  };
  write("late", {0, 10, 20, 4, 7}, true);
  write("sorted", {0, 4, 7, 10, 20}, false);
  for (const char* dataset : {"/weights/QK", "/weights/ckpt_step"}) {
    CHECK(read_values(folder / "late/run.h5", dataset) == read_values(folder / "sorted/run.h5", dataset));
  }
  CHECK(read_values(folder / "late/run.h5", "/weights/QK")[256] == 4);

  RunFile run = RunFile::create(folder / "strict", small_layout(), {});
  run.append("weights", 10, {std::vector<float>(256)});
  CHECK_THROWS_WITH(run.append("weights", 4, {std::vector<float>(256)}), "run file: weights got a row for step 4 after step 10");
}

TEST_CASE("a killed process loses no row, flushed or not") {
  const TempFolder folder;
  const pid_t writer = ::fork();
  if (writer == 0) {
    RunFile run = RunFile::create(folder / "run", small_layout(), {});
    for (std::int64_t step = 0; step < 77; ++step) append_step(run, step);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ::waitpid(writer, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  CHECK(read_values(folder / "run/run.h5", "/train/loss").empty());  // valid, of the moment when it was last written

  RunFile run = RunFile::resume(folder / "run", small_layout(), {}, 77);
  CHECK(run.steps("train").size() == 77);
  run.flush();
  CHECK(read_values(folder / "run/run.h5", "/train/loss").size() == 77);
}

TEST_CASE("a run is never overwritten") {
  const TempFolder folder;
  run_250(folder / "run", 0);
  const std::string before = read_file(folder / "run/run.h5");
  try {
    RunFile::create(folder / "run", small_layout(), {});
    FAIL("it was");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::bad_input);
    CHECK_THAT(error.what(), Catch::Contains("run holds a run already"));
  }
  CHECK(read_file(folder / "run/run.h5") == before);
}

TEST_CASE("a wrong row is refused by name, and leaves no trace") {
  const TempFolder folder;
  RunFile run = RunFile::create(folder / "run", small_layout(), {});
  append_step(run, 20);
  CHECK_THROWS_WITH(run.append("eval", 30, {std::vector<float>(3)}),
                    Catch::Contains("eval/accuracy takes 2 f32 values, the row has 3 f32"));
  CHECK_THROWS_WITH(run.append("eval", 30, {std::vector<double>(2)}),
                    Catch::Contains("takes 2 f32 values, the row has 2 f64"));
  CHECK_THROWS_WITH(run.append("train", 30, {1.0f}), Catch::Contains("train has 2 variables, the row has 1"));
  CHECK_THROWS_WITH(run.append("test", 30, {1.0f}), Catch::Contains("no group \"test\""));
  CHECK_THROWS_WITH(run.append("eval", 20, {std::vector<float>(2)}),
                    Catch::Contains("eval has a row for step 20 already"));
  run.finish(RunStatus::done);
  CHECK(read_values(folder / "run/run.h5", "/eval/accuracy") == std::vector<double>{20, -20});
}

TEST_CASE("a layout that xarray could not open is refused, with the reason") {
  const auto refusal = [](const Layout& layout, const std::string& reason) {
    CAPTURE(reason);
    CHECK_THROWS_WITH(validated(layout), Catch::Contains(reason));
  };
  for (const std::string name : {"", "a/b", "1st", ".", "a.", "two words", "\xc3\xa9"}) {
    refusal({{.group = "g", .variables = {{name}}}}, "\"" + name + "\" cannot be the name of a variable");
    refusal({{.group = name, .variables = {{"x"}}}}, "\"" + name + "\" cannot be the name of a group");
  }
  CHECK_NOTHROW(validated({{.group = "g", .variables = {{"classifier.0.W"}}}}));
  refusal(with_dims({"d_head"}), "g/x has an axis \"d_head\", which is no dimension");
  refusal(with_dims({"d_model", "d_model"}),
          "g/x has the axis \"d_model\" twice: give the second one a name of its own, \"d_model_2\"");
  refusal({{.group = "g", .variables = {{"x"}, {"x"}}}}, "g/x is declared twice");
  refusal({{.group = "g", .variables = {{"step"}}}}, "g/step is declared twice");
  refusal({{.group = "g", .variables = {{"x"}}}, {.group = "g", .variables = {{"y"}}}},
          "group \"g\" is declared twice");
  refusal({{.group = "g", .variables = {}}}, "group \"g\" has no variables");
  refusal({{.group = "g", .dims = {{"d", 3, {"a", "b"}}}, .variables = {{"x"}}}}, "g/d has 2 labels for size 3");
  refusal({{.group = "g", .dims = {{"d", 0}}, .variables = {{"x"}}}}, "g/d is empty");
  refusal({{.group = "g", .variables = {{"x", {}, ValueType::f32, "", "steps since start"}}}},
          "xarray would decode as a time");
  refusal({{.group = "g", .variables = {{"x", {}, ValueType::f32, "", "seconds"}}}}, "xarray would decode as a time");
  refusal(
      {{.group = "g", .dims = {{"d", 2}}, .variables = {{"x"}}, .constants = {{"c", {"d"}, std::vector<float>(3)}}}},
      "g/c holds 3 values, its axes ask for 2");
}

TEST_CASE("rewriting run.h5 stays below 2% of the time, however long it takes") {
  CHECK(rewrite_pause(5, 0.01) == 5);
  CHECK(rewrite_pause(5, 0.2) == 10);
  CHECK(rewrite_pause(5, 60) == 3000);

  const TempFolder folder;
  RunFile run = RunFile::create(folder / "run", small_layout(), {}, 5);
  append_step(run, 0);
  CHECK(run.maybe_flush(1000));
  CHECK_FALSE(run.maybe_flush(1004.9));
  append_step(run, 1);
  CHECK(run.maybe_flush(2000));
  CHECK(read_values(folder / "run/run.h5", "/train/loss").size() == 2);
}

namespace {

/// What a reader in another process sees in `path` until it is told to stop: opens it over and over; every time, all
/// datasets must be there, of one length, with the right values, and no shorter than before. Returns the number of
/// times, or exits with 1.
[[noreturn]] void read_until_stopped(const std::string& path, const std::string& stop) {
  std::size_t longest = 0;
  try {
    while (!std::filesystem::exists(stop)) {
      const std::vector<double> loss = read_values(path, "/train/loss");
      for (std::size_t i = 0; i < loss.size(); ++i) {
        if (loss[i] != static_cast<double>(1.0f / (1.0f + static_cast<float>(i)))) ::_exit(2);
      }
      if (loss.size() < longest) ::_exit(3);
      longest = loss.size();
    }
  } catch (const Error& error) {
    write_file(stop + ".error", error.what());
    ::_exit(1);
  }
  ::_exit(longest > 0 ? 0 : 4);
}

}  // namespace

TEST_CASE("a reader that opens run.h5 at any moment of 200 rewrites finds a valid file") {
  const TempFolder folder;
  RunFile run = RunFile::create(folder / "run", small_layout(), {});
  const pid_t reader = ::fork();
  if (reader == 0) read_until_stopped(folder / "run/run.h5", folder / "stop");
  for (std::int64_t step = 0; step < 200; ++step) {
    append_step(run, step);
    run.flush();
  }
  write_file(folder / "stop", "");
  int status = -1;
  ::waitpid(reader, &status, 0);
  REQUIRE(WIFEXITED(status));
  CAPTURE(read_file(folder / "stop.error"));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace saltus::tests
