// Picture files with labels as a set: decoded ahead in parallel as far as the memory limit goes, the others when they are asked for.
// In: paths and labels.  Out: a set; files that cannot be read stop the run, or are left out up to `maxBad` of them.
#pragma once
#include "runtime/data/Readers.h"

namespace rt {

struct Picture {
  std::string path;
  int32_t label;
};

/// `classNames`: as the files have them, or none.
std::shared_ptr<const Dataset> pictureSet(std::vector<Picture> pictures, const ReaderInput &input, std::vector<std::string> classNames = {});

} // namespace rt
