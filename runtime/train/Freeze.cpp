// Parameters that training leaves as they are.
// In: names.  Out: the same bytes after every step.
#include "runtime/train/Freeze.h"
#include "runtime/Failure.h"
#include <algorithm>
#include <cstring>

namespace rt {

Freeze::Freeze(TensorStore &store, const std::vector<std::string> &scopes) : store(store) {
  std::vector<bool> taken(store.infos().size());
  for (const std::string &scope : scopes) {
    const std::vector<bool> here = tensorsIn(store.infos(), scope);
    if (scope.empty() || std::find(here.begin(), here.end(), true) == here.end())
      fail(Exit::usage, "--freeze takes layers, blocks or beginnings of parameters' names, as `info --json` lists them, separated by commas; none begins with '{}'",
           printable(scope));
    for (size_t i = 0; i < taken.size(); ++i)
      taken[i] = taken[i] || here[i];
  }
  for (size_t i = 0; i < taken.size(); ++i)
    if (taken[i]) {
      const char *values = static_cast<const char *>(store.pointers()[i]);
      kept.push_back({i, std::vector<char>(values, values + store.bytes(i))});
      frozen += store.infos()[i].trainable();
    }
}

std::string Freeze::report() const {
  const auto all = std::count_if(store.infos().begin(), store.infos().end(), [](const TensorInfo &t) { return t.trainable(); });
  return fmt::format("{} of {} parameters stay as they are", frozen, all);
}

void Freeze::putBack() {
  for (const Kept &k : kept)
    std::memcpy(store.pointers()[k.tensor], k.values.data(), k.values.size());
  store.changed();
}

} // namespace rt
