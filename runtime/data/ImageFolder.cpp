// The folder reader: DIRECTORY/CLASS/*.png|jpg|jpeg|webp, classes in the order of class_names, or of the names' bytes where none are given.
// In: a directory.  Out: a set of pictures, each fitted to the network's input.
#include "runtime/Failure.h"
#include "runtime/data/Folder.h"
#include "runtime/data/PictureSet.h"
#include <fmt/format.h>

namespace rt {

std::shared_ptr<const Dataset> readImageFolder(const ReaderInput &input) {
  const Description &d = input.description;
  if (input.files.size() != 1)
    fail(Exit::badData, "folder(...) needs one directory; found {}", input.files.size());
  const std::string directory = pathBelow(input.root, input.files[0]);
  std::vector<std::string> classes = d.data ? d.data->classNames : std::vector<std::string>();
  if (classes.empty())
    classes = foldersIn(directory);
  if (int64_t(classes.size()) != d.classes)
    fail(Exit::badData, "{} has {} classes, the network has {}: {}", printable(directory), classes.size(), d.classes, printable(fmt::format("{}", fmt::join(classes, ", "))));
  std::vector<Picture> pictures;
  for (size_t c = 0; c < classes.size(); ++c)
    for (const std::string &name : entriesOf(directory + "/" + classes[c]))
      if (isPicture(name))
        pictures.push_back({directory + "/" + classes[c] + "/" + name, int32_t(c)});
  return pictureSet(std::move(pictures), input, std::move(classes));
}

} // namespace rt
