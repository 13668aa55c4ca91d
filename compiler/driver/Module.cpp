// Loads a module of cnnc with dlopen.
// In: its name and its entry.  Out: the entry's address.
#include "compiler/driver/Module.h"

#include <dlfcn.h>
#include <filesystem>
#include <system_error>

namespace cnnc {

void *loadEntry(const std::string &module, const char *entry, std::string &why) {
  std::error_code error;
  std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  std::string path = (program.parent_path().parent_path() / "lib" / (module + ".so")).string();
  void *library = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  void *address = library ? ::dlsym(library, entry) : nullptr;
  if (!address)
    why = ::dlerror();
  return address;
}

} // namespace cnnc
