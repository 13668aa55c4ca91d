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

  /// Not to be called from two threads at once, nor from within a piece. `backwards`: each thread takes its pieces from the last to the first.
  void run(Body body, void *const *context, int64_t pieces, bool backwards = false);

  /// f(i) for i in 0..n-1; f must not throw.
  template <class F> void parallelFor(int64_t n, const F &f, bool backwards = false) {
    auto body = [](void *const *context, int64_t i) { (*static_cast<const F *>(*context))(i); };
    void *context = const_cast<F *>(&f);
    run(body, &context, n, backwards);
  }

private:
  static thread_local int number;
  static constexpr uint64_t lowHalf = 0xffffffffu;
  static constexpr int64_t forwards = -1;
  /// What is left of a thread's turns: the first one in the upper half, the end in the lower half. They are of the job that runs now.
  struct alignas(64) Part {
    std::atomic<uint64_t> left{0};
    std::atomic<int64_t> ends{forwards}; ///< backwards, the first and the last turn, added: a turn runs the piece that is as far from the part's other end
  };

  void work();
  void takePart(size_t own);
  bool takeFrom(Part &part, bool isOwn);
  void wait(uint32_t seen);

  std::atomic<uint32_t> job{0}; ///< counts them, for workers to see a new one
  std::atomic<Body> body{nullptr};
  std::atomic<void *const *> context{nullptr};
  std::vector<Part> parts; ///< one a thread
  alignas(64) std::atomic<int64_t> done{0};
  alignas(64) std::atomic<uint32_t> wakeWord{0};
  std::atomic<int> sleeping{0};
  std::atomic<bool> stopping{false};
  std::vector<std::thread> workers;
};

} // namespace rt
