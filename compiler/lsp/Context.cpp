// Reads words, signs, strings and comments from the beginning of a text and keeps the open brackets.
// In: text and an offset.  Out: a Context.
#include "compiler/lsp/Context.h"

#include <algorithm>
#include <cctype>

namespace cnnc {
namespace {

bool isLetter(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool isBlank(char c) { return std::isspace(static_cast<unsigned char>(c)); }

bool isOpening(const std::string &piece) { return piece == "(" || piece == "[" || piece == "{"; }
bool isClosing(const std::string &piece) { return piece == ")" || piece == "]" || piece == "}"; }

/// Words, and signs of one character (`->` is one sign). Comments and strings are pieces that begin with '#' and '"'.
struct Reader {
  const std::string &text;
  size_t at = 0;

  bool next(std::string &piece) {
    while (at < text.size() && isBlank(text[at]))
      ++at;
    if (at >= text.size())
      return false;
    size_t begin = at++;
    char c = text[begin];
    if (c == '#') {
      at = std::min(text.find('\n', begin), text.size());
    } else if (c == '"') {
      while (at < text.size() && text[at] != '"' && text[at] != '\n')
        at += text[at] == '\\' ? 2 : 1;
      at = std::min(at + (at < text.size() && text[at] == '"'), text.size());
    } else if (isLetter(c)) {
      while (at < text.size() && isLetter(text[at]))
        ++at;
    } else if (c == '-' && at < text.size() && text[at] == '>') {
      ++at;
    }
    piece = text.substr(begin, at - begin);
    return true;
  }
};

struct Bracket {
  std::string sign, callee;
  std::string keyword; ///< of the argument that is being written
  std::string entry;   ///< whose value the bracket is in
  std::set<std::string> given;
  bool augment = false;
};

bool isDefinition(const std::string &word) {
  static const std::set<std::string> words = {"network", "block", "data", "train", "tune", "optimizer"};
  return words.count(word) != 0;
}

class Scan {
public:
  explicit Scan(const std::string &text) {
    Reader reader{text};
    std::string piece;
    while (reader.next(piece)) {
      bool atEnd = reader.at == text.size();
      if (piece[0] == '#' || piece[0] == '"') {
        bool open = piece[0] == '#' || piece.size() < 2 || piece.back() != '"';
        nothing = atEnd && open;
        if (piece[0] == '#')
          continue;
      }
      take(piece, atEnd && isLetter(piece.back()));
    }
  }

  Context context() const {
    Context c;
    c.definition = definition;
    c.member = before == "." && word2 == "in";
    c.augment = std::any_of(open.begin(), open.end(), [](auto &b) { return b.augment; });
    if (nothing) {
      c.place = Context::Place::Nothing;
      return c;
    }
    bool section = definition == "data" || definition == "train" || definition == "tune";
    if (open.empty()) {
      c.place = before == "=" || isOperator(before) ? Context::Place::Value : Context::Place::File;
      return c;
    }
    const Bracket &inner = open.back();
    auto call = std::find_if(open.rbegin(), open.rend(), [](auto &b) { return b.sign == "("; });
    c.calleeEntry = inner.entry;
    if (inner.sign != "{") {
      c.callee = call == open.rend() ? "" : call->callee;
      c.given = call == open.rend() ? std::set<std::string>() : call->given;
      c.entry = call == open.rend() || call->keyword.empty() ? inner.entry : call->keyword;
      bool behind = call != open.rend() && !call->keyword.empty();
      c.place = behind ? Context::Place::Keyword : inner.sign == "[" ? Context::Place::Value : Context::Place::Argument;
      return c;
    }
    bool value = before == "=" || isOperator(before) || before == "repeat" || before == "in" || before == "if";
    c.entry = entry;
    c.place = value ? Context::Place::Value : section && !inner.augment ? Context::Place::Entry : definition == "optimizer" ? Context::Place::Value : Context::Place::Layers;
    return c;
  }

private:
  static bool isOperator(const std::string &piece) {
    static const std::set<std::string> signs = {"+", "-", "*", "/", "%", "<", ">", "!", "and", "or", "not", "else"};
    return signs.count(piece) != 0;
  }

  void take(const std::string &piece, bool unfinished) {
    if (unfinished) // the word that is being typed
      return;
    if (open.empty() && isDefinition(piece))
      definition = piece;
    if (isOpening(piece)) {
      Bracket b;
      b.sign = piece;
      b.callee = piece == "(" && !before.empty() && isLetter(before.back()) ? before : "";
      b.augment = piece == "{" && before == "augment";
      b.entry = open.empty() || open.back().sign == "{" ? entry : open.back().entry;
      open.push_back(b);
    } else if (isClosing(piece)) {
      if (!open.empty())
        open.pop_back();
      if (open.empty())
        definition.clear();
    } else if (piece == "=" && !before.empty() && isLetter(before.back())) {
      if (!open.empty() && open.back().sign == "(") {
        open.back().keyword = before;
        open.back().given.insert(before);
      } else {
        entry = before;
      }
    } else if (piece == "," && !open.empty() && open.back().sign == "(") {
      open.back().keyword.clear();
    }
    word2 = before;
    before = piece;
  }

  std::vector<Bracket> open;
  std::string definition, entry, before, word2;
  bool nothing = false;
};

} // namespace

Context contextAt(const std::string &text, size_t offset) {
  std::string before = text.substr(0, offset);
  Context c = Scan(before).context();
  if (c.definition != "train" || c.place == Context::Place::Nothing)
    return c;
  size_t begin = before.size();
  while (begin > 0 && (isLetter(before[begin - 1]) || before[begin - 1] == '.'))
    --begin;
  size_t end = begin;
  while (end > 0 && isBlank(before[end - 1]))
    --end;
  bool target = end < begin && wordAt(before, end).text == "for" && c.place != Context::Place::Argument;
  bool value = c.place == Context::Place::Value || (end > 0 && before[end - 1] == '=');
  if (target || (value && c.entry == "freeze")) {
    c.place = Context::Place::Tensors;
    c.path = before.substr(begin, before.rfind('.') == std::string::npos || before.rfind('.') < begin ? 0 : before.rfind('.') + 1 - begin);
  }
  return c;
}

WordAt wordAt(const std::string &text, size_t offset) {
  offset = std::min(offset, text.size());
  size_t begin = offset, end = offset;
  while (begin > 0 && isLetter(text[begin - 1]))
    --begin;
  while (end < text.size() && isLetter(text[end]))
    ++end;
  return {text.substr(begin, end - begin), begin};
}

size_t closingEnd(const std::string &text, size_t open) {
  Reader reader{text, open};
  std::string piece;
  for (size_t depth = 0; reader.next(piece);) {
    depth += isOpening(piece);
    if (isClosing(piece) && (depth == 0 || --depth == 0))
      return reader.at;
  }
  return text.size();
}

} // namespace cnnc
