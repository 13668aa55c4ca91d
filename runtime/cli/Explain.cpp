// predict --explain-image: which part of a picture speaks for its class.
// In: a picture that has been read.  Out: a PNG, the picture beside the same with heat laid over it.
#include "runtime/cli/Explain.h"
#include "runtime/Failure.h"
#include "runtime/report/Heat.h"
#include "runtime/train/FeatureMaps.h"
#include <algorithm>

namespace rt {

void writeExplanation(const std::string &path, Program &program, const Image &picture, const void *x, int64_t classIndex) {
  constexpr int64_t readableSide = 320;
  const std::vector<double> heat = classActivation(program, x, classIndex);
  writePng(path, overlay(picture, heat, std::max<int64_t>(1, readableSide / std::max(picture.height, picture.width))));
  fmt::print("{}: left the picture as the network sees it, right what speaks for {}\n", printable(path), printable(program.description.className(classIndex)));
}

} // namespace rt
