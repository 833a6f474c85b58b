#include "train/trainer.h"

#include <algorithm>
#include <thread>

#include "core/check.h"
#include "train/run_loop.h"
#include "train/signals.h"
#include "train/train_step.h"

namespace saltus {

int thread_count(int asked, std::int64_t shards) {
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  return static_cast<int>(std::min<std::int64_t>(asked > 0 ? asked : cores, shards));
}

RunReport train(const TrainConfig& config, const RunOptions& options) {
  const StopSignals signals;
  ThreadPool pool(thread_count(options.threads, config.shards));
  RunLoop run(config, options, pool);
  TrainStep step(run.experiment(), config, pool);
  try {
    run.open();
    while (run.ready()) {
      run.take(step.run(run.step()), [&](Optimizer& optimizer, std::int64_t at) { return step.update(optimizer, at, config.steps); });
    }
    return run.finish();
  } catch (const Error& e) {
    run.fail(e);
    throw;
  }
}

}  // namespace saltus
