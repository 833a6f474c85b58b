#include "core/thread_pool.h"

#include <utility>

namespace saltus {

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int tasks, const std::function<void(int, int)>& f) {
  if (workers_.empty() || tasks == 1) {
    for (int task = 0; task < tasks; ++task) f(task, 0);
    return;
  }
  std::unique_lock lock(mutex_);
  job_ = &f;
  next_ = 0;
  tasks_ = tasks;
  wake_.notify_all();
  take_tasks(lock, 0);
  done_.wait(lock, [this] { return next_ >= tasks_ && running_ == 0; });
  job_ = nullptr;
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::work(int thread) {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || (job_ && next_ < tasks_); });
    if (stop_) return;
    take_tasks(lock, thread);
  }
}

void ThreadPool::take_tasks(std::unique_lock<std::mutex>& lock, int thread) {
  while (job_ && next_ < tasks_) {
    const int task = next_++;
    const auto& f = *job_;
    ++running_;
    lock.unlock();
    std::exception_ptr error;
    try {
      f(task, thread);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error && !error_) error_ = error;
    if (--running_ == 0 && next_ >= tasks_) done_.notify_one();
  }
}

}  // namespace saltus
