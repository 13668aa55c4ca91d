// Finds launches that can run image by image, one behind the other.
// In: a program whose launches say which of their arguments are touched image by image.  Out: chains (Program.h), and an order of launches in which
// each stands together.
//
// A step is bound by memory wherever a kernel reads maps that the one before it has written: a batch of them is larger than the caches, a few images
// are not. Between two sums over the whole batch (statistics of batch normalisation) every kernel needs its own images alone: normalise, convolve,
// sum; or, backward, the gradient of the normalisation, of the convolution's input and of its filter, the next sums. Kernels, pieces and bits stay as
// they are. Where pieces add to the sums of a stripe, a thread runs the stripe's units in order.
#include "compiler/kernels/Program.h"
#include "runtime/abi.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>

namespace cnnc {

std::optional<Granule> granuleOf(const Launch &l) {
  if (l.images < 2)
    return {};
  if (l.pieces >= l.images)
    return l.pieces % l.images ? std::nullopt : std::optional(Granule{1, l.pieces / l.images});
  Granule g{1, 1};
  while ((l.images + g.images - 1) / g.images > l.pieces)
    g.images *= 2;
  return (l.images + g.images - 1) / g.images == l.pieces ? std::optional(g) : std::nullopt;
}

static int64_t elementBytes(uint32_t kind) {
  switch (kind) {
  case CNN_F64:
    return 8;
  case CNN_BF16:
  case CNN_I16:
    return 2;
  case CNN_I8:
    return 1;
  default:
    return 4;
  }
}
int64_t bytesOf(const LaunchArgument &a) { return a.elements * elementBytes(a.elementKind); }

namespace {

constexpr int64_t forever = std::numeric_limits<int64_t>::max();
constexpr int64_t fewestStripes = 8; // for threads to share
constexpr int mostWalked = 64;     // launches from a chain's first on

/// Whether the order of the two matters.
bool conflict(const Launch &a, const Launch &b) {
  for (const LaunchArgument &x : a.arguments)
    for (const LaunchArgument &y : b.arguments)
      if (x.buffer == y.buffer && (x.isOutput || y.isOutput))
        return true;
  return false;
}

/// Whether it makes again what another launch has made.
bool isAgain(const Program &program, const Launch &l) {
  return std::any_of(l.arguments.begin(), l.arguments.end(), [&](const LaunchArgument &a) { return a.isOutput && program.buffers[a.buffer].renews >= 0; });
}

class ChainFinder {
public:
  ChainFinder(Program &program, int64_t cacheBytes) : program(program), cacheBytes(cacheBytes) {}

  void run() {
    std::vector<Launch> all = std::move(program.launches);
    program.launches.clear();
    // Nothing passes the test of the loss, nor the end of what an inference does once.
    const int64_t fixed = program.lossLaunch >= 0 ? program.lossLaunch + 1 : program.constantLaunches;
    if (program.lossLaunch >= 0) {
      order({all.begin(), all.begin() + program.lossLaunch});
      program.lossLaunch = int64_t(program.launches.size());
      program.launches.push_back(all[fixed - 1]);
    } else {
      program.launches.assign(all.begin(), all.begin() + fixed);
    }
    order({all.begin() + fixed, all.end()});
  }

private:
  Program &program;
  int64_t cacheBytes;

  void order(std::vector<Launch> pending) {
    while (!pending.empty()) {
      std::vector<size_t> members{0}, hoisted, deferred; // numbers in `pending`
      size_t walked = 1;
      if (cacheBytes && granuleOf(pending[0])) {
        std::vector<size_t> before, behind;
        auto conflicts = [&](const std::vector<size_t> &with, size_t l) {
          return std::any_of(with.begin(), with.end(), [&](size_t m) { return conflict(pending[m], pending[l]); });
        };
        for (size_t l = 1; l < std::min<size_t>(pending.size(), mostWalked); ++l) {
          if (!conflicts(behind, l) && (takesPart(pending, members, l) || joinsForReader(pending, members, l, behind))) {
            members.push_back(l);
            hoisted = before, deferred = behind, walked = l + 1;
          } else if (!conflicts(members, l) && !conflicts(behind, l)) {
            before.push_back(l);
          } else if (granuleOf(pending[l])) {
            break;
          } else {
            behind.push_back(l);
          }
        }
      }
      if (!hoisted.empty()) {
        std::vector<Launch> first;
        for (size_t l : hoisted)
          first.push_back(pending[l]);
        order(std::move(first));
      }
      if (members.size() > 1 || pending[0].piecesOfStripe)
        addChain(pending, members);
      else
        program.launches.push_back(pending[0]);
      std::vector<Launch> rest;
      for (size_t l : deferred)
        rest.push_back(std::move(pending[l]));
      rest.insert(rest.end(), std::make_move_iterator(pending.begin() + walked), std::make_move_iterator(pending.end()));
      pending = std::move(rest);
    }
  }

  bool takesPart(const std::vector<Launch> &pending, const std::vector<size_t> &members, size_t l) const {
    return !isAgain(program, pending[l]) && joins(pending, members, l);
  }
  /// Whether launch `l` makes something again, or packs it, for one that would join behind it.
  bool joinsForReader(const std::vector<Launch> &pending, const std::vector<size_t> &members, size_t l, const std::vector<size_t> &behind) const {
    return (isAgain(program, pending[l]) || feeds(pending, l)) && joins(pending, members, l, /*takes=*/true) && readerJoins(pending, members, l, behind);
  }

  /// Whether who reads what launch `l` makes would join behind it.
  bool readerJoins(const std::vector<Launch> &pending, std::vector<size_t> members, size_t l, const std::vector<size_t> &behind) const {
    members.push_back(l);
    for (size_t r = l + 1; r < pending.size(); ++r)
      if (conflict(pending[l], pending[r]))
        return std::none_of(behind.begin(), behind.end(), [&](size_t m) { return conflict(pending[m], pending[r]); }) && joins(pending, members, r);
    return false;
  }

  /// Whether launch `l` only brings a map that stays into the form that one other launch reads.
  bool feeds(const std::vector<Launch> &pending, size_t l) const {
    const Launch &next = pending[l];
    if (!next.isPacking)
      return false;
    const LaunchArgument &made = next.arguments.back();
    return 1 == std::count_if(pending.begin() + int64_t(l) + 1, pending.end(), [&](const Launch &other) {
      return std::any_of(other.arguments.begin(), other.arguments.end(), [&](const LaunchArgument &a) { return a.buffer == made.buffer; });
    });
  }

  /// Whether launch `l` takes from a member what is of its own images, and meets all of them image by image. `takes`: it need not, for its reader will.
  bool joins(const std::vector<Launch> &pending, std::vector<size_t> members, size_t l, bool takes = false) const {
    const Launch &next = pending[l];
    if (!granuleOf(next) || next.images != pending[members[0]].images)
      return false;
    for (size_t m : members)
      for (const LaunchArgument &x : pending[m].arguments)
        for (const LaunchArgument &y : next.arguments) {
          if (x.buffer != y.buffer || !(x.isOutput || y.isOutput))
            continue;
          if (!x.byImage || !y.byImage || x.byteOffset != y.byteOffset || bytesOf(x) != bytesOf(y))
            return false;
          takes |= x.isOutput && !y.isOutput;
        }
    members.push_back(l);
    const int64_t images = next.images, unit = unitOf(pending, members), stripe = unit * std::max<int64_t>(1, unitsOfStripe(pending, members, unit));
    return takes && (images + stripe - 1) / stripe >= fewestStripes && reuseBytes(pending, members) * unit <= cacheBytes * images;
  }

  /// Images of a unit: granules are powers of two.
  static int64_t unitOf(const std::vector<Launch> &pending, const std::vector<size_t> &members) {
    int64_t unit = 1;
    for (size_t m : members)
      unit = std::max(unit, granuleOf(pending[m])->images);
    return unit;
  }
  static int64_t unitsOfStripe(const std::vector<Launch> &pending, const std::vector<size_t> &members, int64_t unit) {
    int64_t units = 0;
    for (size_t m : members)
      if (const Launch &l = pending[m]; l.piecesOfStripe) {
        Granule g = *granuleOf(l);
        units = std::max({int64_t(1), units, l.piecesOfStripe / g.pieces * g.images / unit});
      }
    return units;
  }
  /// The most that all units together touch between one touch of a map and the next of the same one.
  static int64_t reuseBytes(const std::vector<Launch> &pending, const std::vector<size_t> &members) {
    int64_t most = 0;
    std::map<int64_t, size_t> lastTouch; // of a buffer: place in `members`
    for (size_t at = 0; at < members.size(); ++at)
      for (const LaunchArgument &a : pending[members[at]].arguments) {
        if (!a.byImage)
          continue;
        if (auto before = lastTouch.find(a.buffer); before != lastTouch.end() && before->second < at) {
          std::set<int64_t> counted;
          int64_t bytes = 0;
          for (size_t between = before->second; between <= at; ++between)
            for (const LaunchArgument &other : pending[members[between]].arguments)
              if (other.byImage && counted.insert(other.buffer).second)
                bytes += bytesOf(other);
          most = std::max(most, bytes);
        }
        lastTouch[a.buffer] = at;
      }
    return most;
  }

  void addChain(std::vector<Launch> &pending, const std::vector<size_t> &members) {
    const int64_t unit = unitOf(pending, members), images = pending[members[0]].images;
    program.chains.push_back({int64_t(program.launches.size()), int64_t(members.size()), (images + unit - 1) / unit, unit, unitsOfStripe(pending, members, unit)});
    std::set<int64_t> touched;
    for (size_t m : members) {
      Launch &l = pending[m];
      Granule g = *granuleOf(l);
      l.piecesOfUnit = unit / g.images * g.pieces;
      for (const LaunchArgument &a : l.arguments)
        if (a.byImage && !a.isOutput && touched.count(a.buffer))
          l.cachedBytes += bytesOf(a);
      for (const LaunchArgument &a : l.arguments)
        if (a.byImage)
          touched.insert(a.buffer);
      program.launches.push_back(std::move(l));
    }
  }
};

/// Buffers of a chain live through all of it: its units run at the same time.
void setLives(Program &program) {
  std::vector<int64_t> first(program.launches.size()), last(program.launches.size());
  std::iota(first.begin(), first.end(), 0);
  std::iota(last.begin(), last.end(), 0);
  for (const Chain &c : program.chains)
    std::fill_n(first.begin() + c.first, c.launches, c.first), std::fill_n(last.begin() + c.first, c.launches, c.last());
  for (Buffer &b : program.buffers) {
    bool early = b.space == Buffer::Space::Lr || b.space == Buffer::Space::Step;
    bool stays = b.lastUse == forever;
    b.firstUse = early || (stays && b.firstUse == 0) ? 0 : -1, b.lastUse = stays ? forever : -1;
  }
  for (size_t l = 0; l < program.launches.size(); ++l)
    for (const LaunchArgument &a : program.launches[l].arguments) {
      Buffer &b = program.buffers[a.buffer];
      const bool isLocal = b.space == Buffer::Space::Local; // its unit runs one launch behind the other
      b.firstUse = b.firstUse >= 0 ? b.firstUse : isLocal ? int64_t(l) : first[l];
      b.lastUse = std::max(b.lastUse, isLocal ? int64_t(l) : last[l]);
    }
}

} // namespace

void formChains(Program &program, int64_t cacheBytes) {
  dissolveChains(program);
  std::vector<Renewal> renewals;
  if (cacheBytes) {
    ChainFinder(program, cacheBytes).run();
    renewals = findRenewals(program);
    dissolveChains(program);
  }
  for (;;) {
    Program made = program;
    renew(made, renewals);
    ChainFinder(made, cacheBytes).run();
    makeLocal(made);
    // What runs again must be local both times, and read less than it saves.
    std::vector<int64_t> readAgain(made.buffers.size());
    for (const Launch &l : made.launches)
      for (const LaunchArgument &a : l.arguments)
        if (a.isOutput && made.buffers[a.buffer].renews >= 0)
          readAgain[a.buffer] = int64_t(l.bytes - l.cachedBytes);
    std::vector<Renewal> paying;
    for (size_t i = 0; i < renewals.size(); ++i) {
      const size_t again = program.buffers.size() + i;
      const Buffer &b = made.buffers[renewals[i].buffer];
      if (b.space == Buffer::Space::Local && made.buffers[again].space == Buffer::Space::Local && readAgain[again] < 2 * b.bytes)
        paying.push_back(renewals[i]);
    }
    if (paying.size() == renewals.size()) {
      program = std::move(made);
      break;
    }
    renewals = std::move(paying);
  }
  setLives(program);
}

void dissolveChains(Program &program) {
  program.chains.clear();
  for (size_t l = program.launches.size(); l-- > 0;)
    if (isAgain(program, program.launches[l])) {
      program.launches.erase(program.launches.begin() + l);
      program.lossLaunch -= int64_t(l) < program.lossLaunch;
    }
  for (Launch &l : program.launches) {
    l.piecesOfUnit = 0, l.cachedBytes = 0;
    for (LaunchArgument &a : l.arguments)
      if (int64_t first = program.buffers[a.buffer].renews; first >= 0)
        a.buffer = first;
  }
  while (!program.buffers.empty() && program.buffers.back().renews >= 0)
    program.buffers.pop_back();
  for (Buffer &b : program.buffers)
    if (b.space == Buffer::Space::Local)
      b.space = Buffer::Space::Arena, b.unitBytes = 0;
  setLives(program);
}

} // namespace cnnc
