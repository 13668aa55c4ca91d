// Mutations of tokens beside those of bytes: most texts near a network are not networks, and stop at the parser.
// In: a text.  Out: the text with tokens left out, doubled, exchanged, or numbers changed.
#include <cctype>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

static std::vector<std::string> tokensOf(const std::string &text) {
  std::vector<std::string> tokens;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    auto word = [&](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
    if (word(text[i]))
      while (end < text.size() && word(text[end]))
        ++end;
    else if (text[i] == '#')
      while (end < text.size() && text[end] != '\n')
        ++end;
    else if (text.compare(i, 2, "->") == 0)
      ++end;
    tokens.push_back(text.substr(i, end - i));
    i = end;
  }
  return tokens;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned seed) {
  std::minstd_rand random(seed);
  if (random() % 3 == 0)
    return LLVMFuzzerMutate(data, size, maxSize);
  std::vector<std::string> tokens = tokensOf(std::string(reinterpret_cast<char *>(data), size));
  if (tokens.empty())
    return LLVMFuzzerMutate(data, size, maxSize);
  static const char *const numbers[] = {"0", "1", "2", "3", "7", "32", "0.5", "1e-5", "-1", "65536", "16777216", "9223372036854775807", "1e308"};
  for (unsigned rounds = 1 + random() % 3; rounds--;) {
    size_t at = random() % tokens.size(), from = random() % tokens.size(), length = 1 + random() % std::min<size_t>(12, tokens.size() - from);
    std::vector<std::string> piece(tokens.begin() + from, tokens.begin() + from + length);
    switch (random() % 4) {
    case 0:
      tokens.erase(tokens.begin() + from, tokens.begin() + from + length);
      break;
    case 1:
      tokens.insert(tokens.begin() + at, piece.begin(), piece.end());
      break;
    case 2:
      tokens[at] = tokens[from];
      break;
    default:
      for (size_t i = 0; i < tokens.size() && i < 64; ++i, at = (at + 1) % tokens.size())
        if (std::isdigit(static_cast<unsigned char>(tokens[at][0]))) {
          tokens[at] = numbers[random() % (sizeof numbers / sizeof *numbers)];
          break;
        }
    }
    if (tokens.empty())
      break;
  }
  std::string text;
  for (const std::string &token : tokens)
    text += token;
  size_t kept = std::min(text.size(), maxSize);
  std::memcpy(data, text.data(), kept);
  return kept;
}
