// A pool of threads behind one parallel-for over pieces.
// In: a function of (context, piece) and the number of pieces.  Out: every piece has run exactly once when run() returns.
#pragma once
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace rt {

/// The cores that this process may use (its affinity mask).
int availableCores();

class ThreadPool {
public:
  using Body = void (*)(void *const *context, int64_t piece);

  /// `threads` counts the caller: threads - 1 workers are started.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;

  int threads() const { return int(workers.size()) + 1; }
  /// Within a piece: which of the threads runs it, counted from 0.
  static int current() { return number; }

  /// Not to be called from two threads at once, nor from within a piece.
  void run(Body body, void *const *context, int64_t pieces);

  /// f(i) for i in 0..n-1; f must not throw.
  template <class F> void parallelFor(int64_t n, const F &f) {
    auto body = [](void *const *context, int64_t i) { (*static_cast<const F *>(*context))(i); };
    void *context = const_cast<F *>(&f);
    run(body, &context, n);
  }

private:
  static thread_local int number;
  void work();
  void takePart(uint64_t seen);
  void wait(uint32_t job);

  // Upper half: the job's number; lower half: pieces not yet taken.  A successful exchange of a ticket with pieces left proves that
  // this job is still running, hence that the fields below are this job's.
  std::atomic<uint64_t> ticket{0};
  std::atomic<Body> body{nullptr};
  std::atomic<void *const *> context{nullptr};
  std::atomic<int64_t> pieces{0};
  alignas(64) std::atomic<int64_t> done{0};
  alignas(64) std::atomic<uint32_t> wakeWord{0};
  std::atomic<int> sleeping{0};
  std::atomic<bool> stopping{false};
  std::vector<std::thread> workers;
};

} // namespace rt
