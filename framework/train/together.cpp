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
      guarded(i, nullptr, [&] {
        open_.push_back({i, std::make_unique<RunLoop>(runs[i].config, runs[i].options, pool)});
      });
    }
    make_step();  // before any folder is touched
    for (Member& m : open_) in_its_turn(m, [&] { m.loop->open(); });
  }

  void run() {
    end_those_ready();
    while (!open_.empty()) {
      std::vector<std::int64_t> steps;
      for (const Member& m : open_) steps.push_back(m.loop->step());
      step_->run(steps);
      for (std::size_t place = 0; place < open_.size(); ++place) {
        Member& m = open_[place];
        const auto update = [&](Optimizer& optimizer, std::int64_t step) {
          return step_->update(place, optimizer, step);
        };
        in_its_turn(m, [&] { m.loop->take(step_->loss(place), update); });
      }
      end_those_ready();
    }
  }

 private:
  struct Member {
    std::size_t run;
    std::unique_ptr<RunLoop> loop;  // null once it has ended
  };

  /// Does it for run i, which ends where it throws: whether it does not.
  bool guarded(std::size_t i, RunLoop* loop, const std::function<void()>& f) {
    try {
      f();
      return true;
    } catch (const Error& e) {
      try {
        if (loop) loop->fail(e);
      } catch (const Error&) {  // e says more
      }
      RunReport report;
      report.interrupted = e.code() == ExitCode::interrupted;
      ended_(i, report, report.interrupted ? nullptr : &e);
      return false;
    }
  }

  void in_its_turn(Member& m, const std::function<void()>& f) {
    if (m.loop && !guarded(m.run, m.loop.get(), f)) m.loop.reset();
  }

  /// Lets every run do what is due before its next step. Those that have no next step end, and the others' step is made
  /// anew.
  void end_those_ready() {
    for (Member& m : open_) {
      bool goes_on = false;
      in_its_turn(m, [&] {
        goes_on = m.loop->ready();
        if (!goes_on) ended_(m.run, m.loop->finish(), nullptr);
      });
      if (!goes_on) m.loop.reset();
    }
    if (std::erase_if(open_, [](const Member& m) { return m.loop == nullptr; }) > 0) make_step();
  }

  void make_step() {
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
