// The folder reader: DIRECTORY/CLASS/*.png|jpg|jpeg, classes in the order of class_names, or of the names' bytes where none are given.
// In: a directory.  Out: a set in memory, each picture resized to the network's input.
#include "runtime/Failure.h"
#include "runtime/data/Image.h"
#include "runtime/data/Readers.h"
#include <algorithm>
#include <dirent.h>

namespace rt {

static std::vector<std::string> entriesOf(const std::string &directory) {
  DIR *handle = opendir(directory.c_str());
  if (!handle)
    fail(Exit::badData, "{} is not a directory that can be read", printable(directory));
  std::vector<std::string> names;
  while (const dirent *entry = readdir(handle))
    if (entry->d_name[0] != '.')
      names.push_back(entry->d_name);
  closedir(handle);
  std::sort(names.begin(), names.end());
  return names;
}

static bool isPicture(const std::string &name) {
  const size_t dot = name.rfind('.');
  std::string ending = dot == std::string::npos ? "" : name.substr(dot + 1);
  for (char &c : ending)
    c = c >= 'A' && c <= 'Z' ? char(c + 32) : c;
  return ending == "png" || ending == "jpg" || ending == "jpeg";
}

std::shared_ptr<const Dataset> readImageFolder(const ReaderInput &input) {
  const Description &d = input.description;
  if (input.files.size() != 1)
    fail(Exit::badData, "folder(...) needs one directory; found {}", input.files.size());
  if (d.channels != 1 && d.channels != 3)
    fail(Exit::badData, "pictures have 1 or 3 channels, the network's input has {}", d.channels);
  const std::string directory = pathBelow(input.root, input.files[0]);
  std::vector<std::string> classes = d.data ? d.data->classNames : std::vector<std::string>();
  if (classes.empty())
    classes = entriesOf(directory);
  if (int64_t(classes.size()) != d.classes)
    fail(Exit::badData, "{} has {} classes, the network has {}", printable(directory), classes.size(), d.classes);
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  for (size_t c = 0; c < classes.size(); ++c)
    for (const std::string &name : entriesOf(directory + "/" + classes[c])) {
      if (!isPicture(name))
        continue;
      const Image image = resized(withChannels(readImage(directory + "/" + classes[c] + "/" + name), d.channels), d.height, d.width);
      pixels.insert(pixels.end(), image.pixels.begin(), image.pixels.end());
      labels.push_back(int32_t(c));
    }
  return std::make_shared<MemoryDataset>(size_t(d.imageElements()), std::move(pixels), std::move(labels));
}

} // namespace rt
