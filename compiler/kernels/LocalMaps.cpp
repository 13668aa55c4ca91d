// Maps that are not stored: what one chain makes and reads lives within its units, and what the backward pass reads again can be made again there.
// In: a program, with chains or without.  Out: launches that run again, local buffers.
#include "compiler/kernels/Program.h"

#include <algorithm>
#include <limits>

namespace cnnc {
namespace {

constexpr int64_t forever = std::numeric_limits<int64_t>::max();

/// Whether a launch writes something that another one reads, as far as `reader` is concerned.
bool spoils(const Launch &l, const Launch &reader) {
  for (const LaunchArgument &x : l.arguments)
    for (const LaunchArgument &y : reader.arguments)
      if (x.isOutput && x.buffer == y.buffer)
        return true;
  return false;
}

/// The number of the chain that a launch is in; several: none.
constexpr int64_t none = -1, several = -2;
std::vector<int64_t> chainsOf(const Program &program) {
  std::vector<int64_t> chainAt(program.launches.size(), several);
  for (size_t c = 0; c < program.chains.size(); ++c)
    std::fill_n(chainAt.begin() + program.chains[c].first, program.chains[c].launches, int64_t(c));
  return chainAt;
}

} // namespace

std::vector<Renewal> findRenewals(const Program &program) {
  const std::vector<Launch> &launches = program.launches;
  std::vector<std::vector<size_t>> writers(program.buffers.size()), readers(program.buffers.size());
  for (size_t l = 0; l < launches.size(); ++l)
    for (const LaunchArgument &a : launches[l].arguments)
      (a.isOutput ? writers : readers)[a.buffer].push_back(l);
  auto isPlanned = [&](int64_t b) { return program.buffers[b].space == Buffer::Space::Arena && program.buffers[b].lastUse != forever; };
  const std::vector<int64_t> chainAt = chainsOf(program);
  std::vector<Renewal> found;
  std::vector<bool> isRenewed(program.buffers.size());
  for (size_t w = 0; w < launches.size(); ++w) {
    const Launch &l = launches[w];
    auto isOutput = [](const LaunchArgument &a) { return a.isOutput; };
    if (!l.mayRenew || chainAt[w] == several || std::count_if(l.arguments.begin(), l.arguments.end(), isOutput) != 1)
      continue;
    const LaunchArgument &out = *std::find_if(l.arguments.begin(), l.arguments.end(), isOutput);
    const std::vector<size_t> &uses = readers[out.buffer];
    auto first = std::find_if(uses.begin(), uses.end(), [&](size_t r) { return chainAt[r] != chainAt[w]; });
    if (!isPlanned(out.buffer) || writers[out.buffer].size() != 1 || !out.byImage || first == uses.end() || first == uses.begin() ||
        bytesOf(out) != program.buffers[out.buffer].bytes)
      continue;
    auto takesImages = [&](size_t r) {
      return granuleOf(launches[r]) && std::all_of(launches[r].arguments.begin(), launches[r].arguments.end(),
                                                   [&](const LaunchArgument &a) { return a.buffer != out.buffer || a.byImage; });
    };
    if (!std::all_of(first, uses.end(), takesImages))
      continue;
    // The maps that it reads stay anyway, or are small; and nothing that it reads has changed.
    int64_t kept = 0;
    const bool reads = std::all_of(l.arguments.begin(), l.arguments.end(), [&](const LaunchArgument &a) {
      if (a.isOutput || !a.byImage || !isPlanned(a.buffer))
        return true;
      if (readers[a.buffer].back() < *first)
        kept += bytesOf(a);
      return !isRenewed[a.buffer];
    });
    constexpr int64_t smallShare = 2;
    const bool keeps = std::none_of(launches.begin() + w + 1, launches.begin() + *first, [&](const Launch &other) { return spoils(other, l); });
    if (!reads || !keeps || kept * smallShare > bytesOf(out))
      continue;
    isRenewed[out.buffer] = true;
    found.push_back({w, out.buffer, *first});
  }
  return found;
}

void renew(Program &program, const std::vector<Renewal> &renewals) {
  std::vector<Launch> launches;
  std::vector<int64_t> current(program.buffers.size());
  for (size_t b = 0; b < current.size(); ++b)
    current[b] = int64_t(b);
  for (const Renewal &r : renewals) {
    Buffer again = program.buffers[r.buffer];
    again.renews = r.buffer;
    program.buffers.push_back(again);
  }
  for (size_t l = 0; l < program.launches.size(); ++l) {
    for (size_t i = 0; i < renewals.size(); ++i)
      if (renewals[i].place == l) {
        current[renewals[i].buffer] = int64_t(current.size() + i);
        Launch again = program.launches[renewals[i].launch];
        again.what = program.launches[l].what.substr(0, program.launches[l].what.find(':')) + again.what.substr(again.what.find(':'));
        for (LaunchArgument &a : again.arguments)
          a.buffer = current[a.buffer];
        launches.push_back(std::move(again));
      }
    Launch next = program.launches[l];
    for (LaunchArgument &a : next.arguments)
      a.buffer = current[a.buffer];
    if (int64_t(l) == program.lossLaunch)
      program.lossLaunch = int64_t(launches.size());
    launches.push_back(std::move(next));
  }
  program.launches = std::move(launches);
}

void makeLocal(Program &program) {
  std::vector<int64_t> chainOf(program.buffers.size(), none);
  const std::vector<int64_t> chainAt = chainsOf(program);
  for (size_t l = 0; l < program.launches.size(); ++l)
    for (const LaunchArgument &a : program.launches[l].arguments) {
      int64_t &chain = chainOf[a.buffer];
      const bool isFirst = chain == none, isWhole = a.byImage && a.byteOffset == 0 && bytesOf(a) == program.buffers[a.buffer].bytes;
      const int64_t here = isWhole && (!isFirst || a.isOutput) ? chainAt[l] : several;
      chain = isFirst || chain == here ? here : several;
    }
  for (size_t b = 0; b < program.buffers.size(); ++b) {
    Buffer &buffer = program.buffers[b];
    if (chainOf[b] < 0 || buffer.space != Buffer::Space::Arena || buffer.lastUse == forever || buffer.bytes % program.batch)
      continue;
    buffer.space = Buffer::Space::Local;
    buffer.unitBytes = buffer.bytes / program.batch * program.chains[chainOf[b]].imagesOfUnit;
  }
  for (Launch &l : program.launches)
    for (const LaunchArgument &a : l.arguments)
      if (a.isOutput && program.buffers[a.buffer].space == Buffer::Space::Local)
        l.cachedBytes += bytesOf(a);
}

} // namespace cnnc
