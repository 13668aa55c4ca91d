// Strings and numbers as JSON.
// In: values.  Out: JSON text; bytes that are not UTF-8 text are escaped.
#pragma once

#include <cstdio>
#include <string>

namespace cnnc {

inline std::string jsonString(const std::string &text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", unsigned(static_cast<unsigned char>(c)));
      out += buffer;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

} // namespace cnnc
