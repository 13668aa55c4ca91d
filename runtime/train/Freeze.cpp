// Parameters that training leaves as they are.
// In: names.  Out: the same bytes after every step.
#include "runtime/train/Freeze.h"
#include "runtime/Failure.h"
#include <cstring>

namespace rt {

Freeze::Freeze(TensorStore &store, const std::string &prefixes) : store(store) {
  std::vector<bool> taken(store.infos().size());
  for (size_t begin = 0; begin <= prefixes.size();) {
    const size_t end = std::min(prefixes.find(',', begin), prefixes.size());
    const std::string prefix = prefixes.substr(begin, end - begin);
    begin = end + 1;
    bool found = false;
    for (size_t i = 0; i < taken.size() && !prefix.empty(); ++i)
      if (store.infos()[i].name.compare(0, prefix.size(), prefix) == 0)
        taken[i] = found = true;
    if (!found)
      fail(Exit::usage, "--freeze takes beginnings of parameters' names, as `info` lists them, separated by commas; none begins with '{}'", printable(prefix));
  }
  for (size_t i = 0; i < taken.size(); ++i)
    if (taken[i]) {
      const char *values = static_cast<const char *>(store.pointers()[i]);
      kept.push_back({i, std::vector<char>(values, values + store.bytes(i))});
      count += store.infos()[i].kind == TensorKind::weight || store.infos()[i].kind == TensorKind::bias;
    }
}

void Freeze::putBack() const {
  for (const Kept &k : kept)
    std::memcpy(store.pointers()[k.tensor], k.values.data(), k.values.size());
}

} // namespace rt
