// Values of constant expressions, and the names that are in scope.
// In: made by Evaluator.  Out: read by the elaboration of layers, data and train blocks.
#pragma once

#include "compiler/frontend/Ast.h"
#include "compiler/frontend/Network.h"

#include <map>
#include <set>

namespace cnnc {

struct Value {
  enum class Kind {
    Bad,    ///< already reported: whoever uses it says nothing
    Number, ///< number
    Bool,   ///< number: 0 or 1
    String, ///< text
    Word,   ///< text: same, he_normal, relu
    Size,   ///< items: height, width
    List,   ///< items
    Call,   ///< text, items, keywords: normal(0.01)
    Map,    ///< map: a layer's output, named by `let`
  };
  Kind kind = Kind::Bad;
  double number = 0;
  std::string text;
  std::vector<Value> items;
  std::vector<std::string> keywords; ///< as long as items; "" for a positional one
  int map = -1;
  Span span;

  bool bad() const { return kind == Kind::Bad; }
  bool isInteger() const { return kind == Kind::Number && number == __builtin_floor(number); }
};

/// "a number", "the word `same`": for messages.
std::string describe(const Value &value);
/// 0.1, 32, 1e-05: the shortest text that reads back the same.
std::string numberText(double value);

/// Names in scope; an inner scope hides an outer one.
struct Environment {
  const Environment *outer = nullptr;
  std::map<std::string, Value> names;

  const Value *find(const std::string &name) const;
  void collect(std::vector<std::string> &out) const;
};

/// The map that enters a statement: what `it` and `in.channels` mean there.
struct Current {
  int layer = -1;
  MapShape shape;
  bool bad = false; ///< an error was reported: shapes are unknown from here on
};

} // namespace cnnc
