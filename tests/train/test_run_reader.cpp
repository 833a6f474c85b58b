#include "core/check.h"
#include "run_folder.h"
#include "train/run_reader.h"

namespace saltus::tests {
namespace {

/// 25 steps of the small run (run_folder.h), with these attributes.
std::string small_run(const TempFolder& folder, const Attributes& attributes = {}) {
  RunFile run = RunFile::create(folder / "run", small_layout(), attributes);
  for (std::int64_t step = 0; step < 25; ++step) append_step(run, step);
  run.finish(RunStatus::done);
  return folder / "run/run.h5";
}

/// What opening this file is refused with.
std::string refusal(const std::string& path, ExitCode code) {
  try {
    const RunReader reader(path);
  } catch (const Error& error) {
    CHECK(error.code() == code);
    return error.what();
  }
  return "opened";
}

}  // namespace

TEST_CASE("a reader finds the layout that a run was written with") {
  const TempFolder folder;
  const RunReader reader(small_run(folder));
  Layout layout = validated(small_layout());
  layout[2].constants.clear();
  CHECK(describe({reader.table("train"), reader.table("eval"), reader.table("weights")}) == describe(layout));

  const Table eval = reader.table("eval");
  CHECK(eval.variables[0].long_name == "fraction of right answers");
  CHECK(eval.dims[0].labels == std::vector<std::string>{"iid", "ic"});
  CHECK(eval.growing_units == "optimizer steps");
  CHECK(reader.has_group("eval"));
  CHECK_FALSE(reader.has_group("progress"));
}

TEST_CASE("a reader gives every row of a variable, or the last") {
  const TempFolder folder;
  const RunReader reader(small_run(folder));
  CHECK(reader.steps("eval") == std::vector<std::int64_t>{0, 10, 20});
  CHECK(reader.values("eval", "accuracy") == std::vector<double>{0, 0, 10, -10, 20, -20});
  CHECK(reader.last_row("eval", "accuracy") == std::vector<double>{20, -20});
  CHECK(reader.values("train", "lr") == std::vector<double>(25, 0.5));
  CHECK(reader.last_row("weights", "QK") == std::vector<double>(256, 0));
}

TEST_CASE("a run that has recorded nothing has no rows") {
  const TempFolder folder;
  RunFile::create(folder / "run", small_layout(), {});
  const RunReader reader(folder / "run/run.h5");
  CHECK(reader.text("status") == "running");
  CHECK(reader.steps("eval").empty());
  CHECK(reader.values("eval", "accuracy").empty());
  CHECK(reader.last_row("eval", "accuracy").empty());
}

TEST_CASE("attributes come back with the type that they were written with") {
  const TempFolder folder;
  const RunReader reader(small_run(
      folder,
      {{"seed", std::int64_t{7}}, {"wall_s", 1.5}, {"note", "é"}, {"names", std::vector<std::string>{"a", "b"}}}));
  CHECK(reader.integer("seed") == 7);
  CHECK(reader.number("seed") == 7.0);
  CHECK(reader.number("wall_s") == 1.5);
  CHECK(reader.text("note") == "é");
  CHECK(reader.attribute("names") == AttributeValue(std::vector<std::string>{"a", "b"}));
  CHECK_FALSE(reader.text("seed").has_value());
  CHECK_FALSE(reader.integer("wall_s").has_value());
  CHECK_FALSE(reader.attribute("absent").has_value());
}

TEST_CASE("an open reader keeps the version that it opened") {
  const TempFolder folder;
  RunFile run = RunFile::create(folder / "run", small_layout(), {});
  append_step(run, 0);
  run.flush();
  const RunReader before(folder / "run/run.h5");
  append_step(run, 1);
  run.flush();
  CHECK(before.steps("train") == std::vector<std::int64_t>{0});
  CHECK(RunReader(folder / "run/run.h5").steps("train") == std::vector<std::int64_t>{0, 1});
}

TEST_CASE("a reader says what is wrong with a file") {
  const TempFolder folder;
  CHECK(refusal(folder / "absent.h5", ExitCode::bad_input) == "there is no " + (folder / "absent.h5"));

  write_file(folder / "text.h5", "step,loss\n0,3.4\n");
  CHECK(refusal(folder / "text.h5", ExitCode::bad_input) == folder / "text.h5" + " is not an HDF5 file");

  const std::string path = small_run(folder);
  write_file(folder / "half.h5", read_file(path).substr(0, read_file(path).size() / 2));
  CHECK_THAT(refusal(folder / "half.h5", ExitCode::failed),
             Catch::StartsWith("cannot open " + (folder / "half.h5") + ": "));

  {
    const hdf5::Handle access(H5Pcreate(H5P_FILE_ACCESS), "make a property list");
    const hdf5::Handle foreign = hdf5::create_file(folder / "foreign.h5", access);
    hdf5::write_attribute(foreign, {"status", "done"});
  }
  CHECK_THAT(refusal(folder / "foreign.h5", ExitCode::bad_input), Catch::Contains("is not a run of saltus"));

  const RunReader reader(path);
  CHECK_THROWS_AS(reader.values("eval", "absent"), Error);
  CHECK_THROWS_AS(reader.table("absent"), Error);
}

}  // namespace saltus::tests
