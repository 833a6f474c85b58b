#pragma once
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace saltus {

/// Runs numbered tasks on a fixed set of threads, of which the caller is one. Waiting threads sleep: on a shared machine a spinning
/// team slows down whoever has work. Which thread runs which task is not fixed, so tasks must not depend on it.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls f(task, thread) for every task in [0, tasks) and returns when all are done; thread is in [0, threads()). The first
  /// exception thrown by a task is thrown again here.
  void run(int tasks, const std::function<void(int task, int thread)>& f);

 private:
  void work(int thread);
  void take_tasks(std::unique_lock<std::mutex>& lock, int thread);

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(int, int)>* job_ = nullptr;
  int next_ = 0, tasks_ = 0, running_ = 0;
  bool stop_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> workers_;
};

}  // namespace saltus
