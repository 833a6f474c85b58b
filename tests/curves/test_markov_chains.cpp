#include <catch2/catch.hpp>

#include "config/reader.h"
#include "curves/training.h"
#include "experiments/registry.h"
#include "train/evaluator.h"

using namespace saltus;
using tests::check_losses;
using tests::Training;

namespace {

TrainConfig config_of(const std::string& name, const std::vector<std::string>& overrides = {}) {
  TrainConfig config(systems());
  read_config(SALTUS_CONFIGS "/markov_chains/" + name + ".yaml", parse_overrides(overrides),
              [&](Fields& f) { config.fields(f); });
  return config;
}

/// On the first test set, the divergences from uniform, unigram and bigram.
struct Divergences {
  double uniform, unigram, bigram;

  explicit Divergences(Training& run) {
    const std::vector<double> numbers = Evaluator(*run.experiment, 256, run.pool).run().eval[0];
    uniform = numbers[2];
    unigram = numbers[3];
    bigram = numbers[4];
  }
};

/// Smaller and faster than bigrams.yaml, with the same phases.
const std::vector<std::string> small = {"task.length=32", "batch_size=32", "optimizer.learning_rate=0.01"};

}  // namespace

TEST_CASE("bigrams.yaml: the first losses") {
  Training run(config_of("bigrams"));
  run.advance(30);
  check_losses(run.losses, {{0, 1.0986006856}, {1, 1.0985848904}, {5, 1.098459363}, {29, 1.0961754918}}, 1e-5);
}

TEST_CASE("a small transformer predicts uniformly, then from unigrams, then from bigrams, along its pinned curve") {
  Training run(config_of("bigrams", small));
  const Divergences start(run);
  CHECK(start.uniform < start.unigram);
  run.advance(60);
  const Divergences middle(run);
  CHECK(middle.unigram < middle.uniform);
  CHECK(middle.unigram < middle.bigram);
  run.advance(341);
  const Divergences end(run);
  CHECK(end.bigram < 0.7 * end.unigram);
  CHECK(end.bigram < end.uniform);
  check_losses(run.losses,
               {{0, 1.0985680819},
                {1, 1.0983209014},
                {10, 1.0921652913},
                {60, 1.084374547},
                {100, 1.0084197521},
                {200, 1.0038470626}},
               1e-4);
  check_losses(run.losses, {{300, 0.9652512074}, {400, 0.9826422334}}, 1e-3);
}

TEST_CASE("the minimal model goes the same way by gradient descent on one vector and one matrix") {
  Training run(config_of("minimal", {"task.length=32", "batch_size=32", "optimizer.learning_rate=0.05"}));
  run.advance(50);
  const Divergences middle(run);
  CHECK(middle.unigram < middle.uniform);
  CHECK(middle.unigram < middle.bigram);
  run.advance(351);
  const Divergences end(run);
  CHECK(end.bigram < end.unigram);
  check_losses(run.losses,
               {{0, 1.0986120701},
                {1, 1.0976840258},
                {10, 1.0913698673},
                {30, 1.0223450065},
                {100, 0.9787442982},
                {200, 0.9228631854},
                {400, 0.9766987264}},
               1e-4);
}
