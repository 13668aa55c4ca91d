// Gives files to a fuzzer's body, one after the other, without libFuzzer.
// In: files, or folders of files.  Out: status 1, and the file's name, where one takes more than 10 s or 1 GiB; a crash ends the program
// after the name of its file.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/resource.h>
#include <vector>

extern "C" int LLVMFuzzerInitialize(int *, char ***);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv) {
  constexpr double maxSeconds = 10;
  constexpr long maxKib = 1 << 20;
  LLVMFuzzerInitialize(&argc, &argv);
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      files.push_back(argv[i]);
      continue;
    }
    for (const auto &entry : std::filesystem::recursive_directory_iterator(argv[i]))
      if (entry.is_regular_file())
        files.push_back(entry.path());
  }
  int bad = 0;
  for (const std::filesystem::path &file : files) {
    std::ifstream in(file, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    std::printf("%s\n", file.c_str());
    std::fflush(stdout);
    auto start = std::chrono::steady_clock::now();
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(text.data()), text.size());
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    if (seconds > maxSeconds || usage.ru_maxrss > maxKib) {
      std::fprintf(stderr, "%s: %.1f s, peak memory so far %ld KiB\n", file.c_str(), seconds, usage.ru_maxrss);
      bad = 1;
    }
  }
  std::printf("%zu inputs\n", files.size());
  return files.empty() || bad;
}
