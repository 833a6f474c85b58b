#include "train/together.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>

#include "train/run_loop.h"
#include "train/signals.h"
#include "train/step_together.h"

namespace saltus {
namespace {

class Group {
 public:
  Group(const std::vector<GroupedRun>& runs, ThreadPool& pool, const RunEnded& ended) : pool_(pool), ended_(ended) {
    for (std::size_t i = 0; i < runs.size(); ++i) {
      guarded(i, nullptr, [&] { open_.push_back({i, std::make_unique<RunLoop>(runs[i].config, runs[i].options, pool)}); });
    }
  }

  void run() {
    end_those_ready();
    while (!open_.empty()) {
      std::vector<std::int64_t> steps;
      for (const Member& m : open_) steps.push_back(m.loop->step());
      step_->run(steps);
      for (std::size_t place = 0; place < open_.size(); ++place) take(place);
      end_those_ready();
    }
  }

 private:
  struct Member {
    std::size_t run;
    std::unique_ptr<RunLoop> loop;  // null once it has ended
  };

  /// Does it for run i, which ends where it throws.
  void guarded(std::size_t i, RunLoop* loop, const std::function<void()>& f) {
    try {
      f();
    } catch (const Error& e) {
      if (loop) loop->fail(e);
      ended_(i, {}, &e);
    }
  }

  void take(std::size_t place) {
    Member& m = open_[place];
    bool taken = false;
    guarded(m.run, m.loop.get(), [&] {
      m.loop->take(step_->loss(place), [&](Optimizer& optimizer, std::int64_t step) { return step_->update(place, optimizer, step); });
      taken = true;
    });
    if (!taken) m.loop.reset();
  }

  /// Lets every run do what is due before its next step. Those that have no next step end, and the others' step is made anew.
  void end_those_ready() {
    for (Member& m : open_) {
      if (!m.loop) continue;
      bool goes_on = false;
      guarded(m.run, m.loop.get(), [&] {
        goes_on = m.loop->ready();
        if (!goes_on) ended_(m.run, m.loop->finish(), nullptr);
      });
      if (!goes_on) m.loop.reset();
    }
    if (std::erase_if(open_, [](const Member& m) { return m.loop == nullptr; }) == 0 && step_) return;
    step_.reset();
    std::vector<GroupMember> members;
    for (const Member& m : open_) members.push_back({&m.loop->experiment(), &m.loop->config()});
    if (!members.empty()) step_.emplace(std::move(members), pool_);
  }

  ThreadPool& pool_;
  const RunEnded& ended_;
  std::vector<Member> open_;
  std::optional<StepTogether> step_;  // of those open
};

}  // namespace

void train_together(const std::vector<GroupedRun>& runs, int threads, const RunEnded& ended) {
  const StopSignals signals;
  ThreadPool pool(thread_count(threads, runs.empty() ? 1 : runs[0].config.shards));
  Group(runs, pool, ended).run();
}

}  // namespace saltus
