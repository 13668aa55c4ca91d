// Launches of inference that give the same at every call while the model's tensors stay: transformed and packed filters, folded scales.
// In: Program, before memory is planned.  Out: these launches first, their results alive for good.
#include "compiler/kernels/Program.h"

#include <algorithm>
#include <limits>

namespace cnnc {

void hoistConstants(Program &program) {
  std::vector<bool> isConstant(program.launches.size(), true), bufferIsConstant;
  for (const Buffer &b : program.buffers)
    bufferIsConstant.push_back(b.space == Buffer::Space::Tensor || b.space == Buffer::Space::Arena);
  // A launch is constant if all that it touches is; a buffer, if all that writes it is. Both only ever turn false.
  for (bool again = true; again;) {
    again = false;
    for (size_t i = 0; i < program.launches.size(); ++i) {
      const auto &arguments = program.launches[i].arguments;
      auto varies = [&](const LaunchArgument &a) {
        return !bufferIsConstant[a.buffer] || (a.isOutput && program.buffers[a.buffer].space != Buffer::Space::Arena);
      };
      if (isConstant[i] && std::any_of(arguments.begin(), arguments.end(), varies))
        isConstant[i] = false, again = true;
      for (const LaunchArgument &a : arguments)
        if (!isConstant[i] && a.isOutput && bufferIsConstant[a.buffer])
          bufferIsConstant[a.buffer] = false, again = true;
    }
  }
  std::vector<Launch> ordered;
  for (bool wanted : {true, false})
    for (size_t i = 0; i < program.launches.size(); ++i)
      if (isConstant[i] == wanted)
        ordered.push_back(program.launches[i]);
  program.launches = std::move(ordered);
  program.constantLaunches = std::count(isConstant.begin(), isConstant.end(), true);

  constexpr int64_t forever = std::numeric_limits<int64_t>::max();
  std::vector<bool> staysAlive;
  for (Buffer &b : program.buffers) {
    staysAlive.push_back(b.lastUse == forever);
    b.firstUse = b.lastUse = -1;
  }
  for (size_t i = 0; i < program.launches.size(); ++i)
    for (const LaunchArgument &a : program.launches[i].arguments) {
      Buffer &b = program.buffers[a.buffer];
      b.firstUse = b.firstUse < 0 ? int64_t(i) : b.firstUse;
      b.lastUse = int64_t(i);
    }
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    Buffer &b = program.buffers[i];
    bool isReadLater = bufferIsConstant[i] && b.lastUse >= program.constantLaunches;
    if (isReadLater)
      b.firstUse = 0;
    if (isReadLater || staysAlive[i])
      b.lastUse = forever;
    if (b.space == Buffer::Space::Lr || b.space == Buffer::Space::Step)
      b.firstUse = 0;
  }
}

} // namespace cnnc
