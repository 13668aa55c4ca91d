// A pool of threads behind one parallel-for over pieces.
// In: jobs.  Out: each thread runs an equal part of the pieces in a row, the same part of every job, so that what one launch leaves in a core's caches
// the next one finds there; who is done takes pieces from the end of others' parts. Which thread runs a piece never changes a result.
#include "runtime/device/ThreadPool.h"
#include "runtime/device/Denormals.h"
#include <algorithm>
#include <chrono>
#include <immintrin.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rt {

// How long a worker looks for the next launch before it sleeps. A step's launches follow each other within microseconds, but for one that a single piece
// takes a tenth of a millisecond for; a wake costs half as much on a virtual machine.
static constexpr auto spinTime = std::chrono::microseconds(200);
// Looks at the clock only once in so many pauses.
static constexpr int pausesPerLook = 64;
// The caller gives its core away after so many rounds: on a crowded machine the worker it waits for may have none.
static constexpr int roundsBeforeYield = 32;

int availableCores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0)
    return 1;
  return std::max(1, CPU_COUNT(&set));
}

static void futexWait(std::atomic<uint32_t> &word, uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
static void futexWakeAll(std::atomic<uint32_t> &word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}

thread_local int ThreadPool::number = 0;

ThreadPool::ThreadPool(int threads) : parts(size_t(std::max(1, threads))) {
  for (int i = 1; i < threads; ++i)
    workers.emplace_back([this, i] {
      number = i;
      work();
    });
}

ThreadPool::~ThreadPool() {
  stopping.store(true);
  job.fetch_add(1);
  wakeWord.fetch_add(1);
  futexWakeAll(wakeWord);
  for (std::thread &worker : workers)
    worker.join();
}

/// Takes some turns of a part and runs their pieces: from its beginning if it is the thread's own, else from its end. False: it has none left.
bool ThreadPool::takeFrom(Part &part, bool isOwn) {
  uint64_t seen = part.left.load(std::memory_order_relaxed);
  for (;;) {
    const uint64_t first = seen >> 32, end = seen & lowHalf;
    if (first == end)
      return false;
    constexpr uint64_t ownShare = 8, othersShare = 4;
    const uint64_t take = std::max<uint64_t>(1, (end - first) / (isOwn ? ownShare : othersShare));
    const uint64_t rest = isOwn ? (first + take) << 32 | end : first << 32 | (end - take);
    // What succeeds takes pieces of the job that runs now, which then runs until they are done: the fields are that job's.
    if (!part.left.compare_exchange_weak(seen, rest, std::memory_order_acquire, std::memory_order_relaxed))
      continue;
    const Body jobBody = body.load(std::memory_order_relaxed);
    void *const *jobContext = context.load(std::memory_order_relaxed);
    const int64_t from = int64_t(isOwn ? first : end - take), ends = part.ends.load(std::memory_order_relaxed);
    for (int64_t turn = from; turn < from + int64_t(take); ++turn)
      jobBody(jobContext, ends == forwards ? turn : ends - turn);
    done.fetch_add(int64_t(take), std::memory_order_release);
    return true;
  }
}

/// Takes pieces until none is left, those of part `own` first.
void ThreadPool::takePart(size_t own) {
  const size_t count = parts.size();
  while (takeFrom(parts[own], true)) {
  }
  for (size_t other = 1; other < count; ++other)
    while (takeFrom(parts[(own + other) % count], false)) {
    }
}

void ThreadPool::wait(uint32_t seen) {
  const auto end = std::chrono::steady_clock::now() + spinTime;
  do {
    for (int i = 0; i < pausesPerLook; ++i) {
      if (job.load(std::memory_order_acquire) != seen)
        return;
      _mm_pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  // Sleep.  The publisher counts the job and then reads `sleeping`; we raise `sleeping` and then read the job: one sees the other.
  sleeping.fetch_add(1);
  const uint32_t word = wakeWord.load();
  if (job.load() == seen)
    futexWait(wakeWord, word);
  sleeping.fetch_sub(1);
}

void ThreadPool::work() {
  const DenormalsAreZero inPieces;
  uint32_t last = 0;
  while (!stopping.load(std::memory_order_relaxed)) {
    const uint32_t now = job.load(std::memory_order_acquire);
    if (now == last) {
      wait(last);
      continue;
    }
    last = now;
    takePart(size_t(number));
  }
}

void ThreadPool::run(Body jobBody, void *const *jobContext, int64_t jobPieces, bool backwards) {
  const DenormalsAreZero inPieces;
  // A part counts 32 bits of turns; more than that, which no real kernel has, run here.
  if (workers.empty() || jobPieces <= 1 || uint64_t(jobPieces) > lowHalf) {
    for (int64_t i = 0; i < jobPieces; ++i)
      jobBody(jobContext, backwards ? jobPieces - 1 - i : i);
    return;
  }
  body.store(jobBody, std::memory_order_relaxed);
  context.store(jobContext, std::memory_order_relaxed);
  done.store(0, std::memory_order_relaxed);
  const uint64_t count = parts.size(), all = uint64_t(jobPieces);
  for (uint64_t t = 0; t < count; ++t) {
    const uint64_t first = all * t / count, end = all * (t + 1) / count;
    parts[t].ends.store(backwards ? int64_t(first + end) - 1 : forwards, std::memory_order_relaxed);
    parts[t].left.store(first << 32 | end, std::memory_order_release);
  }
  job.fetch_add(1);
  if (sleeping.load() > 0) {
    wakeWord.fetch_add(1);
    futexWakeAll(wakeWord);
  }
  takePart(0);
  for (int round = 0; done.load(std::memory_order_acquire) != jobPieces; ++round) {
    for (int i = 0; i < pausesPerLook; ++i)
      _mm_pause();
    if (round >= roundsBeforeYield)
      sched_yield();
  }
}

} // namespace rt
