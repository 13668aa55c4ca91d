// What a network sees in one picture: maps inside it, and what of the picture speaks for a class.
// In: a program with its tensors, a picture.  Out: maps, heat.
#pragma once
#include "runtime/train/Program.h"

namespace rt {

struct FeatureMap {
  std::string layer; ///< the last one whose output it is: bias, normalisation and activation are often one with their convolution
  int64_t channels, height, width;
  std::vector<double> values; ///< (H,W,C)
};

/// Every map of more than one pixel that inference writes to memory, in order; `x` (H,W,C), element type of the model.
std::vector<FeatureMap> featureMaps(Program &program, const void *x);

/// How much each pixel speaks for the class, 0..1, (H,W) of the input.  Score-CAM (Wang et al. 2020) on the last map: each channel, enlarged and
/// scaled to 0..1, masks the picture; the channels are added, each with the class's probability behind its mask less the least of them.  It needs no gradient, only
/// inference, and so holds for every network with a map, in the mode of evaluation.  Fails with Exit::usage where the network has none.
std::vector<double> classActivation(Program &program, const void *x, int64_t classIndex);

} // namespace rt
