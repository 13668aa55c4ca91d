// The syntax tree: what the file says, before any name or number is looked at.
// In: made by parse().  Out: read by the checks, the elaboration and the printer of --emit=ast.
#pragma once

#include "compiler/support/Source.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cnnc::ast {

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;

/// A name with its place.
struct Word {
  std::string text;
  Span span;
};

/// (32, pad=same): `keyword` is empty for a positional argument.
struct Argument {
  std::optional<Word> keyword;
  ExprPtr value;
};

struct Expr {
  enum class Kind {
    Number,  ///< number
    Bool,    ///< number: 0 or 1
    String,  ///< text
    Size,    ///< items: height, width
    Name,    ///< text
    Member,  ///< text "in.channels", "val.accuracy"
    Call,    ///< text, arguments
    List,    ///< items
    Tuple,   ///< arguments; a lone positional one is only a parenthesis and never gets here
    Unary,   ///< text: "-" or "not"; items
    Binary,  ///< text: the operator; items
    Select,  ///< items: condition, then, else
  };
  Kind kind = Kind::Number;
  double number = 0;
  std::string text;
  std::vector<ExprPtr> items;
  std::vector<Argument> arguments;
  Span span;
};

struct Step;
using Layers = std::vector<Step>;

/// One thing that a pipeline holds.
struct Step {
  enum class Kind {
    Layer,    ///< label, name, arguments
    Residual, ///< bodies[0]; bodies[1]: the shortcut, if hasShortcut; condition, if hasCondition
    Gate,     ///< bodies[0]
    Branch,   ///< name: "concat" or "add"; bodies
    Repeat,   ///< value: how often; bodies[0]
    For,      ///< name, value: the list; bodies[0]. A value or condition that could not be read is null
    If,       ///< conditions[i] chooses bodies[i]; one body more than conditions: the else
    Let,      ///< name, value; null: it could not be read
    Unreadable, ///< a statement with a syntax error: what follows sees an unknown map
  };
  Kind kind = Kind::Layer;
  bool beginsStatement = true; ///< false: it follows `->`
  std::optional<Word> label;
  Word name;
  std::vector<Argument> arguments;
  bool hasArguments = false;
  ExprPtr value;
  ExprPtr condition;
  bool hasShortcut = false, hasCondition = false;
  std::vector<ExprPtr> conditions;
  std::vector<Layers> bodies;
  Span span, end; ///< end: its last word or sign
};

struct Parameter {
  Word name;
  ExprPtr value; ///< the default; null: none
};

struct Import {
  std::string path;
  Span span;
};
struct Param {
  Word name;
  ExprPtr value; ///< null: it could not be read
};
struct Network {
  Word name;
  Layers layers;
};
struct Block {
  Word name;
  std::vector<Parameter> parameters;
  Layers layers;
};
/// One line of a data, train or tune block: a value, layers (augment { ... }), or `load value for target`.
struct Entry {
  Word name;
  ExprPtr value;
  Layers layers;
  bool isLoad = false;
  std::optional<Word> target;
};
struct Section {
  Span span;
  std::vector<Entry> entries;
};
/// An activation or schedule has one update, called "".
struct Update {
  bool isState = false;
  Word name;
  ExprPtr value;
};
struct Program {
  enum class Kind { Activation, Schedule, Optimizer } kind = Kind::Activation;
  Word name;
  std::vector<Parameter> parameters;
  std::vector<Update> updates;
};

struct File {
  std::shared_ptr<const SourceFile> source;
  bool incomplete = false; ///< statements with syntax errors are left out
  std::vector<Import> imports;
  std::vector<Param> params;
  std::vector<Network> networks;
  std::vector<Block> blocks;
  std::vector<Section> data, train, tune;
  std::vector<Program> programs;
};

} // namespace cnnc::ast
