// The choice of what is made again.
// In: a program, a bound.  Out: a schedule of its launches in which some stand more than once, as a program of its own buffers.
//
// A schedule is a list of launches. A buffer lives from a launch that begins to write it to the last one that reads it before it is written anew,
// so to let a launch stand twice cuts its buffer's life in two. A move takes one gap between two readers of a buffer and lets the buffer's writers
// stand again before the second; what they read and is gone by then is kept, or made again in the same way. Moves are taken by what they gain,
// the memory above the bound summed over launches, for what they cost. Checkpoints with recomputed segments between them (Chen et al. 2016)
// come about by moves whose writers' inputs are made again before them and kept for the readers that follow.
#include "compiler/kernels/Recompute.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>

namespace cnnc {
namespace {

constexpr int64_t forever = std::numeric_limits<int64_t>::max();

using Schedule = std::vector<int>; ///< numbers of launches; the first time that one stands is the launch itself

/// A buffer's life from being written to its last reader.
struct Version {
  int buffer;
  int first, last;
};

class Recomputation {
public:
  explicit Recomputation(const Program &program);

  /// Takes moves until the lives at any launch sum to `bound` at most. False: no move brings them closer.
  bool reduce(int64_t bound);
  /// Takes back what `bound` does not need.
  void prune(int64_t bound);
  /// The schedule as a program with a planned arena.
  Program build() const;
  Recomputed cost() const;
  double work() const { return work(schedule); }
  int64_t peak() const { return *std::max_element(held.begin(), held.end()); }

private:
  const Program &program;
  std::vector<llvm::SmallVector<int, 4>> reads, writes; ///< of launches: arena buffers
  std::vector<llvm::SmallVector<int, 2>> writers;       ///< of buffers: launches, in order
  std::vector<int64_t> bytes;                           ///< of buffers
  std::vector<bool> renewable;                          ///< of buffers: making them again changes nothing else
  std::vector<bool> removable;                          ///< of launches: all that they write is renewable
  std::vector<int> until; ///< of launches: the first that writes a tensor which this one reads

  Schedule schedule;
  // Of the schedule:
  std::vector<Version> versions;
  std::vector<int64_t> held; ///< at each place, bytes
  std::vector<int> lastPlace; ///< of launches

  struct Move {
    int buffer, place; ///< write `buffer` again before `place`
    double gain;       ///< at most, for its cost
  };

  void measure(const Schedule &s, std::vector<Version> &lives, std::vector<int64_t> &atPlace) const;
  void accept(Schedule s) {
    schedule = std::move(s);
    for (int place = 0; place < int(schedule.size()); ++place)
      lastPlace[schedule[place]] = place;
    measure(schedule, versions, held);
  }
  static double excess(llvm::ArrayRef<int64_t> atPlace, int64_t bound) {
    double sum = 0;
    for (int64_t bytes : atPlace)
      sum += double(std::max<int64_t>(0, bytes - bound));
    return sum;
  }
  /// In the unit of products: a core does so many floating-point operations while memory gives one byte.
  double work(int launch) const {
    constexpr double operationsPerByte = 8;
    const Launch &l = program.launches[launch];
    return std::max(double(l.flops), operationsPerByte * double(l.bytes));
  }
  double work(const Schedule &s) const {
    return std::accumulate(s.begin(), s.end(), 0.0, [&](double sum, int l) { return sum + work(l); });
  }

  std::vector<Move> moves(int64_t bound) const;
  /// The schedule after a move; empty where a tensor that is read has changed by then. With `join`, what is made here is not made again after.
  Schedule moved(const Move &move, int64_t bound, bool join) const;
  void removeUnread(Schedule &s) const;
};

Recomputation::Recomputation(const Program &program) : program(program) {
  size_t launches = program.launches.size(), buffers = program.buffers.size();
  constexpr int64_t alignment = 64;
  reads.resize(launches), writes.resize(launches), writers.resize(buffers), bytes.resize(buffers), renewable.resize(buffers), removable.resize(launches);
  until.assign(launches, std::numeric_limits<int>::max());
  std::vector<int> changedAt(buffers, -1); // buffers outside of the arena
  std::vector<bool> isPure(launches, true);
  auto isPlanned = [&](int b) { return program.buffers[b].space == Buffer::Space::Arena; };
  for (size_t l = 0; l < launches; ++l)
    for (const LaunchArgument &a : program.launches[l].arguments) {
      int b = int(a.buffer);
      if (a.isOutput && !isPlanned(b)) {
        isPure[l] = false;
        changedAt[b] = changedAt[b] < 0 ? int(l) : changedAt[b];
      } else if (a.isOutput) {
        if (!llvm::is_contained(writes[l], b))
          writes[l].push_back(b), writers[b].push_back(int(l));
      } else if (isPlanned(b)) {
        reads[l].push_back(b);
      }
    }
  for (size_t l = 0; l < launches; ++l)
    for (const LaunchArgument &a : program.launches[l].arguments)
      if (!isPlanned(int(a.buffer)) && changedAt[a.buffer] >= 0)
        until[l] = std::min(until[l], changedAt[a.buffer]);
  for (size_t b = 0; b < buffers; ++b) {
    bytes[b] = isPlanned(int(b)) ? (program.buffers[b].bytes + alignment - 1) / alignment * alignment : 0;
    renewable[b] = isPlanned(int(b)) && program.buffers[b].lastUse != forever && !writers[b].empty();
  }
  // Read while it is still being written: it cannot be told what was read.
  for (size_t l = 0; l < launches; ++l)
    for (int b : reads[l])
      if (!writers[b].empty() && int(l) <= writers[b].back())
        renewable[b] = false;
  // A launch that writes more than one buffer is one whose buffers can all be begun by it.
  auto spoils = [&](int l, int b) {
    return !isPure[l] || llvm::any_of(writes[l], [&](int other) { return !renewable[other] || (other != b && writers[other].size() > 1); });
  };
  for (bool changed = true; std::exchange(changed, false);)
    for (size_t b = 0; b < buffers; ++b)
      if (renewable[b] && llvm::any_of(writers[b], [&](int l) { return spoils(l, int(b)); }))
        renewable[b] = false, changed = true;
  for (size_t l = 0; l < launches; ++l)
    removable[l] = isPure[l] && !writes[l].empty() && llvm::all_of(writes[l], [&](int b) { return renewable[b]; });

  lastPlace.resize(launches);
  Schedule all(launches);
  std::iota(all.begin(), all.end(), 0);
  accept(std::move(all));
}

void Recomputation::measure(const Schedule &s, std::vector<Version> &lives, std::vector<int64_t> &atPlace) const {
  lives.clear();
  std::vector<int> current(bytes.size(), -1);
  for (int at = 0; at < int(s.size()); ++at) {
    int l = s[at];
    for (int b : reads[l])
      if (current[b] >= 0)
        lives[current[b]].last = at;
    for (int b : writes[l])
      if (current[b] < 0 || l == writers[b].front()) {
        current[b] = int(lives.size());
        lives.push_back({b, at, at});
      } else {
        lives[current[b]].last = at;
      }
  }
  atPlace.assign(s.size() + 1, 0);
  for (Version &v : lives) {
    if (program.buffers[v.buffer].lastUse == forever)
      v.last = int(s.size()) - 1;
    atPlace[v.first] += bytes[v.buffer], atPlace[v.last + 1] -= bytes[v.buffer];
  }
  std::partial_sum(atPlace.begin(), atPlace.end(), atPlace.begin());
  atPlace.pop_back();
}

std::vector<Recomputation::Move> Recomputation::moves(int64_t bound) const {
  std::vector<int64_t> above(held.size() + 1, 0); // places above the bound, summed
  for (size_t i = 0; i < held.size(); ++i)
    above[i + 1] = above[i] + (held[i] > bound);
  std::vector<int> lastUse(bytes.size(), -1);
  std::vector<Move> found;
  for (int at = 0; at < int(schedule.size()); ++at) {
    int l = schedule[at];
    for (int b : reads[l]) {
      if (int64_t places = renewable[b] && lastUse[b] >= 0 ? above[at] - above[lastUse[b] + 1] : 0; places > 0) {
        double cost = 0;
        for (int w : writers[b])
          cost += work(w);
        found.push_back({b, at, double(bytes[b]) * double(places) / (cost + 1)});
      }
      lastUse[b] = at;
    }
    for (int b : writes[l])
      lastUse[b] = at;
  }
  std::stable_sort(found.begin(), found.end(), [](const Move &a, const Move &b) { return a.gain > b.gain; });
  return found;
}

Schedule Recomputation::moved(const Move &move, int64_t bound, bool join) const {
  std::vector<int> lastRead(bytes.size(), -1); // of the versions that are current at the place
  for (const Version &v : versions)
    if (v.first < move.place)
      lastRead[v.buffer] = v.last;
  constexpr int64_t smallShare = 16; // keeping so little instead of a buffer is no loss
  auto isThere = [&](int b) {
    if (!renewable[b] || lastRead[b] >= move.place || bytes[b] * smallShare <= bytes[move.buffer])
      return true;
    return std::all_of(held.begin() + lastRead[b] + 1, held.begin() + move.place, [&](int64_t h) { return h + bytes[b] <= bound; });
  };
  Schedule made;
  std::vector<bool> isMade(bytes.size());
  auto make = [&](auto &make, int b) -> void {
    for (int w : writers[b])
      for (int written : writes[w])
        isMade[written] = true;
    for (int w : writers[b]) {
      for (int x : reads[w])
        if (!isMade[x] && !isThere(x))
          make(make, x);
      made.push_back(w);
    }
  };
  make(make, move.buffer);
  std::vector<bool> again(program.launches.size());
  for (int l : made)
    again[l] = true;
  for (int l : made)
    if (until[l] < int(lastPlace.size()) && lastPlace[until[l]] < move.place)
      return {};
  Schedule s(schedule.begin(), schedule.begin() + move.place);
  s.insert(s.end(), made.begin(), made.end());
  for (int place = move.place; place < int(schedule.size()); ++place) {
    int l = schedule[place];
    if (join && again[l])
      again[l] = false;
    else
      s.push_back(l);
  }
  removeUnread(s);
  return s;
}

void Recomputation::removeUnread(Schedule &s) const {
  std::vector<bool> wanted(bytes.size());
  Schedule kept;
  for (int l : llvm::reverse(s)) {
    bool unread = removable[l] && llvm::none_of(writes[l], [&](int b) { return wanted[b]; });
    for (int b : writes[l])
      if (renewable[b] && l == writers[b].front())
        wanted[b] = false;
    if (unread)
      continue;
    for (int b : reads[l])
      wanted[b] = true;
    kept.push_back(l);
  }
  std::reverse(kept.begin(), kept.end());
  s = std::move(kept);
}

bool Recomputation::reduce(int64_t bound) {
  constexpr int mostTried = 48; // moves in the order of what they may gain
  std::vector<Version> lives;
  std::vector<int64_t> atPlace;
  for (;;) {
    double now = excess(held, bound), workNow = work(schedule);
    if (now == 0)
      return true;
    double best = 0;
    Schedule bestSchedule;
    int tried = 0;
    for (const Move &move : moves(bound)) {
      if (best > 0 && (move.gain <= best || tried >= mostTried))
        break;
      ++tried;
      Schedule joined = moved(move, bound, /*join=*/true), apart = moved(move, bound, /*join=*/false);
      if (apart == joined)
        apart.clear();
      for (Schedule &s : {std::ref(joined), std::ref(apart)}) {
        if (s.empty())
          continue;
        measure(s, lives, atPlace);
        double gain = now - excess(atPlace, bound);
        if (gain <= 0)
          continue;
        constexpr double free = 1e-6; // of a step
        double value = gain / std::max(work(s) - workNow, free * workNow);
        if (value > best)
          best = value, bestSchedule = std::move(s);
      }
    }
    if (best == 0)
      return false;
    accept(std::move(bestSchedule));
  }
}

void Recomputation::prune(int64_t bound) {
  std::vector<Version> lives;
  std::vector<int64_t> atPlace;
  std::vector<int> order(program.launches.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return work(a) > work(b); });
  for (int l : order) {
    if (llvm::any_of(writes[l], [&](int b) { return writers[b].size() > 1; })) // the others would write over what is read
      continue;
    for (bool taken = true; std::exchange(taken, false);) {
      bool first = true;
      for (size_t place = 0; place < schedule.size() && !taken; ++place) {
        if (schedule[place] != l || std::exchange(first, false))
          continue;
        Schedule s = schedule;
        s.erase(s.begin() + place);
        removeUnread(s);
        measure(s, lives, atPlace);
        if (excess(atPlace, bound) > 0)
          continue;
        accept(std::move(s));
        taken = true;
      }
    }
  }
}

Program Recomputation::build() const {
  Program made = program;
  made.launches.clear();
  made.arenaBytes = 0;
  std::vector<char> isWritten(bytes.size()), stands(program.launches.size());
  std::vector<int64_t> current(bytes.size());
  std::iota(current.begin(), current.end(), 0);
  for (Buffer &b : made.buffers) {
    bool early = b.space == Buffer::Space::Lr || b.space == Buffer::Space::Step;
    b.firstUse = early ? 0 : -1, b.lastUse = b.lastUse == forever ? forever : -1;
  }
  for (int l : schedule) {
    Launch launch = program.launches[l];
    int64_t at = int64_t(made.launches.size());
    for (int b : writes[l])
      if (l == writers[b].front() && std::exchange(isWritten[b], true)) {
        Buffer again = program.buffers[b];
        again.firstUse = again.lastUse = -1;
        current[b] = int64_t(made.buffers.size());
        made.buffers.push_back(again);
      }
    for (LaunchArgument &a : launch.arguments) {
      a.buffer = current[a.buffer];
      Buffer &b = made.buffers[a.buffer];
      b.firstUse = b.firstUse < 0 ? at : b.firstUse;
      b.lastUse = std::max(b.lastUse, at);
    }
    if (stands[l])
      launch.what = "recompute" + launch.what.substr(launch.what.find(':'));
    else if (l == program.lossLaunch)
      made.lossLaunch = at;
    stands[l] = true;
    made.launches.push_back(std::move(launch));
  }
  planMemory(made);
  return made;
}

Recomputed Recomputation::cost() const {
  Recomputed r;
  double flops = 0, bytes = 0;
  for (const Launch &l : program.launches)
    flops += double(l.flops), bytes += double(l.bytes);
  for (int l : schedule)
    r.flops += double(program.launches[l].flops), r.bytes += double(program.launches[l].bytes);
  r.launches = int64_t(schedule.size()) - int64_t(program.launches.size());
  r.flops = flops > 0 ? r.flops / flops - 1 : 0;
  r.bytes = bytes > 0 ? r.bytes / bytes - 1 : 0;
  return r;
}

} // namespace

/// The least that can be reached, or what keeps the bound.
static Recomputed withoutChains(Program &program, int64_t bound) {
  const Program original = program;
  // Straight to the bound, from some aims under it: what is best for one is in the way of another. A plan has gaps that the sum of lives has
  // not, so an aim is corrected by what the plan says. An aim that is out of reach ends it: those below are farther.
  constexpr int corrections = 12;
  std::optional<Recomputation> best;
  bool isReached = true;
  for (double share : {1.0, 0.96, 0.92, 0.88, 0.84}) {
    Recomputation direct(original);
    int64_t aim = int64_t(double(bound) * share);
    for (int i = 0; i < corrections && (isReached = direct.reduce(aim)); ++i) {
      direct.prune(aim);
      int64_t planned = direct.build().arenaBytes;
      if (planned <= bound) {
        if (!best || direct.work() < best->work())
          best.emplace(direct);
        break;
      }
      aim -= std::max<int64_t>(planned - bound, 1);
    }
    if (!isReached)
      break;
  }
  if (best) {
    program = best->build();
    return best->cost();
  }
  // By small steps, the same for every bound: what one bound finds out of reach is so for all below.
  Recomputed cost;
  constexpr double largeStep = 0.08, smallStep = 0.03, leastStep = 0.01;
  for (double firstStep : {largeStep, smallStep}) {
    Recomputation descent(original);
    for (double step = firstStep; step >= leastStep && program.arenaBytes > bound;) {
      if (!descent.reduce(int64_t(double(descent.peak()) * (1 - step))))
        step /= 2;
      Program made = descent.build();
      if (made.arenaBytes < program.arenaBytes)
        program = std::move(made), cost = descent.cost();
    }
  }
  return cost;
}

Recomputed recompute(Program &program, int64_t bound, int64_t cacheBytes) {
  if (program.memoryOn(boundThreads) <= bound)
    return {};
  // Chains hold more at a time: first without them, then with as much of them as the bound allows.
  dissolveChains(program);
  planMemory(program);
  Recomputed cost;
  if (program.arenaBytes > bound)
    cost = withoutChains(program, bound);
  for (int64_t bytes = cacheBytes; bytes >= cacheBytes / 16; bytes /= 4) {
    Program chained = program;
    formChains(chained, bytes);
    planMemory(chained);
    if (chained.memoryOn(boundThreads) <= bound) {
      program = std::move(chained);
      return cost;
    }
  }
  formChains(program, 0);
  planMemory(program);
  return cost;
}

} // namespace cnnc
