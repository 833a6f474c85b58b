#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "config/reader.h"
#include "core/check.h"
#include "data/small_corpus.h"
#include "data/text/naive_bayes.h"
#include "experiments/lama/system.h"
#include "experiments/registry.h"
#include "train/batch_buffers.h"
#include "train/evaluator.h"
#include "train/train_step.h"

using namespace saltus;

namespace {

/// A small config on a made corpus.
TrainConfig small_config(const std::string& corpus, const std::string& pooling = "lama_ctx") {
  TrainConfig config(systems());
  read_config_text("small.yaml",
                   "{system: lama, batch_size: 16, shards: 1, task: {corpus: '" + corpus +
                       "', max_length: 64}, model: {d_embed: 12, d_hidden: 8, n_heads: 2, classifier_width: 8, "
                       "dropout: 0, pooling: " +
                       pooling + "}, optimizer: {kind: adam, learning_rate: 0.01}}",
                   {}, [&config](Fields& f) { config.fields(f); });
  return config;
}

const Experiment::Fact& fact(const Experiment& e, const std::string& name) {
  for (const Experiment::Fact& f : e.facts) {
    if (f.measure.name == name) return f;
  }
  throw Error("no fact " + name);
}

template <class T>
T note(const Experiment& e, const std::string& name) {
  for (const Attribute& a : e.notes) {
    if (a.name == name) return std::get<T>(a.value);
  }
  throw Error("no note " + name);
}

const TextClassification& task_of(const Experiment& e) { return dynamic_cast<const TextClassification&>(*e.task); }

}  // namespace

TEST_CASE("lama: a run says what its words, classes and texts were") {
  const CorpusFile corpus;
  const auto e = build_experiment(small_config(corpus.path()));
  const TextClassification& task = task_of(*e);
  const Experiment::Fact& words = fact(*e, "word_count");
  CHECK(words.measure.dims[0].name == "word");
  REQUIRE(words.values.size() == static_cast<std::size_t>(task.vocabulary().size()));
  const std::int32_t good = task.vocabulary().id("good");
  CHECK(words.measure.dims[0].labels[static_cast<std::size_t>(good)] == "good");
  CHECK(words.values[static_cast<std::size_t>(good)] == static_cast<double>(task.split().train.size()));  // once a text
  CHECK(fact(*e, "class_texts").measure.dims[0].labels == std::vector<std::string>{"complaint", "praise"});
  CHECK(fact(*e, "class_texts").values == std::vector<double>{70, 70});
  for (int set : {TextClassification::validation_set, TextClassification::test_set})
    CHECK(fact(*e, "majority_accuracy").values[static_cast<std::size_t>(set)] == 0.5);
  CHECK(fact(*e, "parameters").values.back() == static_cast<double>(e->params.count()));
  CHECK(note<std::string>(*e, "corpus") == corpus.path());
  CHECK(note<std::string>(*e, "corpus_sha256").size() == 64);
  CHECK(note<std::int64_t>(*e, "train_texts") == 140);
  CHECK(note<std::int64_t>(*e, "test_texts") == 40);
  CHECK(note<std::string>(*e, "data_path") == corpus.path());
  const std::string summary = note<std::string>(*e, "data_summary");
  CHECK(summary.starts_with(task.split().report.text(task.classes()) + "\n"));
  const auto cut = [&e](const std::string& part) { return note<std::int64_t>(*e, part + "_texts_cut"); };
  CHECK(
      summary.ends_with(fmt::format("\nlonger than 64 words and cut there: {} to train on, {} to validate, {} to test",
                                    cut("train"), cut("validation"), cut("test"))));
}

TEST_CASE("lama: another length of the contexts, or another path, is the same split of the same texts") {
  const CorpusFile corpus;
  const auto as_trained = build_experiment(small_config(corpus.path()));
  TrainConfig config = small_config("gone.tsv");
  config.system.set_data_path(corpus.path());
  config.system.set_context_length(4);
  const auto e = build_experiment(config);
  CHECK(task_of(*e).config().max_length == 4);
  CHECK(task_of(*e).split().test == task_of(*as_trained).split().test);
  CHECK(note<std::string>(*e, "data_path") == corpus.path());
  CHECK(note<std::string>(*e, "corpus") == "gone.tsv");
  CHECK(config.system.data_path() == "gone.tsv");
}

TEST_CASE("lama: the accuracy of a test set that has an end has the binomial error, be it one chunk or several") {
  const CorpusFile corpus(SmallCorpus{.documents = 800});
  const auto e = build_experiment(small_config(corpus.path()));
  ThreadPool pool(1);
  const Evaluator::Result result = Evaluator(*e, 1000, pool).run();
  const SetMeans references = reference_means(*e, chunks_of(*e->task, 1000), pool);
  for (const int set : {TextClassification::validation_set, TextClassification::test_set}) {
    const auto s = static_cast<std::size_t>(set);
    const auto n = static_cast<double>(e->task->eval_samples(set));
    CHECK(n == (set == TextClassification::test_set ? 160 : 80));  // two chunks, one chunk
    const auto binomial = [n](double p) { return Approx(std::sqrt(p * (1 - p) / n)); };
    CHECK(result.eval_errors[s][1] == binomial(result.eval[s][1]));
    CHECK(references.error[s][0] == binomial(references.mean[s][0]));
    CHECK(std::isnan(result.eval_errors[s][0]) == (n == 80));  // of the loss nothing is known from one chunk
  }
}

TEST_CASE("lama: embeddings begin as wide as the config says") {
  const CorpusFile corpus;
  for (const double std : {0.1, 1.0}) {
    TrainConfig config(systems());
    read_config_text(
        "wide.yaml",
        fmt::format("{{system: lama, task: {{corpus: '{}'}}, model: {{embedding_std: {}}}}}", corpus.path(), std), {},
        [&config](Fields& f) { config.fields(f); });
    const auto e = build_experiment(config);
    double squares = 0;
    const std::span<const float> W_E = e->params.view("embed.W_E");
    for (const float w : W_E) squares += static_cast<double>(w) * w;
    CHECK(std::sqrt(squares / static_cast<double>(W_E.size())) == Approx(std).epsilon(0.1));
  }
}

TEST_CASE("lama: Naive Bayes is measured on what the model is measured on") {
  const CorpusFile corpus;
  const auto e = build_experiment(small_config(corpus.path()));
  const TextClassification& task = task_of(*e);
  ThreadPool pool(1);
  const SetMeans means = reference_means(*e, chunks_of(task, 1000), pool);
  for (int set : {TextClassification::validation_set, TextClassification::test_set}) {
    CHECK(means.mean[static_cast<std::size_t>(set)][0] ==
          Approx(accuracy(naive_bayes(task), task, task.documents(set))));
  }
}

TEST_CASE("lama: a prediction is the model on the text at its own length") {
  const CorpusFile corpus;
  for (const char* pooling : {"lama_ctx", "transformer", "han", "mean"}) {
    INFO(pooling);
    const auto e = build_experiment(small_config(corpus.path(), pooling));
    const TextClassification& task = task_of(*e);
    const std::string text =
        task.corpus().documents[static_cast<std::size_t>(task.documents(TextClassification::test_set)[0])].text;
    const Experiment::Prediction p = e->predict(text);

    Graph graph;
    e->record(graph, e->params, e->whole(1, Purpose::evaluate));
    const std::vector<Plan::Output> outputs = {{graph.tapped("logits")}};
    const Plan plan(graph, outputs,
                    [&e](const std::string& name, const Shape&) { return e->params.view(name).data(); });
    const BatchBuffers buffers(task.fields(), 1, plan);
    task.sample_eval(TextClassification::test_set, 0, buffers.batch());
    plan.run();
    const double log_odds = plan.output(0)[0] - plan.output(0)[1];
    CHECK(p.probabilities[0] == Approx(1 / (1 + std::exp(-log_odds))).epsilon(1e-4));
    CHECK(p.probabilities[0] + p.probabilities[1] == Approx(1));

    const std::size_t heads = std::string(pooling) == "mean" ? 0 : std::string(pooling) == "han" ? 1 : 2;
    REQUIRE(p.attention.size() == heads);
    for (const std::vector<double>& weights : p.attention) {
      CHECK(weights.size() == p.words.size());
      CHECK(std::accumulate(weights.begin(), weights.end(), 0.0) == Approx(1));
    }
  }
}

TEST_CASE("lama: a prediction shows unknown words as they are, and reads no more than max_length") {
  const CorpusFile corpus;
  const auto e = build_experiment(small_config(corpus.path()));
  CHECK(e->predict("The soup was splendid!").words == std::vector<std::string>{"the", "soup", "was", "splendid", "!"});
  CHECK(e->predict("The soup was splendid!").known == std::vector<bool>{true, true, true, false, true});
  CHECK(e->predict("...").words == std::vector<std::string>{"<unknown>"});
  CHECK(e->predict("...").known == std::vector<bool>{false});
  CHECK(e->predict("...").words_in_text == 0);
  std::string text;
  for (int i = 0; i < 100; ++i) text += "soup ";
  CHECK(e->predict(text).words.size() == 64);
  CHECK(e->predict(text).words_in_text == 100);
  CHECK(e->classes == std::vector<std::string>{"complaint", "praise"});
}

TEST_CASE("lama: the order of words is learned where their counts tell nothing") {
  const CorpusFile corpus(SmallCorpus{.documents = 400});
  TrainConfig config = small_config(corpus.path());
  config.steps = 800;
  config.optimizer.learning_rate = 0.003;  // at 0.01 the last bits of products decide whether the classifier's units die on the plateau
  const auto e = build_experiment(config);
  ThreadPool pool(1);
  TrainStep step(*e, config, pool);
  Optimizer optimizer(config.optimizer, static_cast<std::size_t>(e->params.block_size()));
  for (std::int64_t s = 0; s < config.steps; ++s) {
    step.run(s);
    step.update(optimizer, s, config.steps);

  }
  const Evaluator::Result result = Evaluator(*e, 1000, pool).run();
  CHECK(result.eval[TextClassification::test_set][1] > 0.95);
  CHECK(accuracy(naive_bayes(task_of(*e)), task_of(*e), task_of(*e).documents(TextClassification::test_set)) < 0.7);
}
