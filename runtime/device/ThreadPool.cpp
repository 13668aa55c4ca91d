// A pool of threads behind one parallel-for over pieces.
// In: jobs published as tickets.  Out: pieces handed to whichever thread is free; which thread runs a piece never changes a result.
#include "runtime/device/ThreadPool.h"
#include <algorithm>
#include <chrono>
#include <immintrin.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rt {

// How long a worker looks for the next launch before it sleeps; a step's launches follow each other within microseconds.
static constexpr auto spinTime = std::chrono::microseconds(50);
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

static constexpr uint64_t pieceMask = 0xffffffffu;
static uint32_t jobOf(uint64_t ticket) { return uint32_t(ticket >> 32); }

static void futexWait(std::atomic<uint32_t> &word, uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
static void futexWakeAll(std::atomic<uint32_t> &word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}

thread_local int ThreadPool::number = 0;

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i)
    workers.emplace_back([this, i] {
      number = i;
      work();
    });
}

ThreadPool::~ThreadPool() {
  stopping.store(true);
  ticket.store(uint64_t(jobOf(ticket.load()) + 1) << 32);
  wakeWord.fetch_add(1);
  futexWakeAll(wakeWord);
  for (std::thread &worker : workers)
    worker.join();
}

/// Takes pieces of the job that `seen` shows until none is left.
void ThreadPool::takePart(uint64_t seen) {
  Body jobBody = body.load(std::memory_order_relaxed);
  void *const *jobContext = context.load(std::memory_order_relaxed);
  int64_t jobPieces = pieces.load(std::memory_order_relaxed);
  const uint32_t job = jobOf(seen);
  const uint64_t shares = 4 * (workers.size() + 1);
  while (jobOf(seen) == job && (seen & pieceMask) != 0) {
    const uint64_t left = seen & pieceMask;
    const uint64_t take = std::max<uint64_t>(1, left / shares); // large shares first, single pieces at the end
    if (!ticket.compare_exchange_weak(seen, seen - take, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    const int64_t first = jobPieces - int64_t(left);
    for (int64_t i = first; i < first + int64_t(take); ++i)
      jobBody(jobContext, i);
    done.fetch_add(int64_t(take), std::memory_order_release);
    seen = ticket.load(std::memory_order_acquire);
  }
}

void ThreadPool::wait(uint32_t job) {
  const auto end = std::chrono::steady_clock::now() + spinTime;
  do {
    for (int i = 0; i < pausesPerLook; ++i) {
      if (jobOf(ticket.load(std::memory_order_acquire)) != job)
        return;
      _mm_pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  // Sleep.  The publisher stores the ticket and then reads `sleeping`; we raise `sleeping` and then read the ticket: one sees the other.
  sleeping.fetch_add(1);
  const uint32_t word = wakeWord.load();
  if (jobOf(ticket.load()) == job)
    futexWait(wakeWord, word);
  sleeping.fetch_sub(1);
}

void ThreadPool::work() {
  uint32_t job = 0;
  while (!stopping.load(std::memory_order_relaxed)) {
    const uint64_t seen = ticket.load(std::memory_order_acquire);
    if (jobOf(seen) == job) {
      wait(job);
      continue;
    }
    job = jobOf(seen);
    takePart(seen);
  }
}

void ThreadPool::run(Body jobBody, void *const *jobContext, int64_t jobPieces) {
  if (workers.empty() || jobPieces <= 1) {
    for (int64_t i = 0; i < jobPieces; ++i)
      jobBody(jobContext, i);
    return;
  }
  // A ticket counts 32 bits of pieces; more than that comes in several jobs, which no real kernel needs: run them here.
  if (uint64_t(jobPieces) > pieceMask) {
    for (int64_t i = 0; i < jobPieces; ++i)
      jobBody(jobContext, i);
    return;
  }
  body.store(jobBody, std::memory_order_relaxed);
  context.store(jobContext, std::memory_order_relaxed);
  pieces.store(jobPieces, std::memory_order_relaxed);
  done.store(0, std::memory_order_relaxed);
  const uint64_t published = (uint64_t(jobOf(ticket.load(std::memory_order_relaxed)) + 1) << 32) | uint64_t(jobPieces);
  ticket.store(published);
  if (sleeping.load() > 0) {
    wakeWord.fetch_add(1);
    futexWakeAll(wakeWord);
  }
  takePart(published);
  for (int round = 0; done.load(std::memory_order_acquire) != jobPieces; ++round) {
    for (int i = 0; i < pausesPerLook; ++i)
      _mm_pause();
    if (round >= roundsBeforeYield)
      sched_yield();
  }
}

} // namespace rt
