// Arguments bound to parameters, and readers that check type and range.
// In: what was written and a signature.  Out: values, or reports.
#include "compiler/frontend/Arguments.h"
#include "compiler/shape/Shape.h"
#include "compiler/support/Spelling.h"

#include <algorithm>

namespace cnnc {

BoundArguments bindArguments(const std::string &callee, const Span &at, const std::vector<ast::Argument> &arguments,
                             const std::vector<ParameterSpec> &parameters, DiagnosticEngine &diagnostics) {
  BoundArguments bound;
  size_t positional = 0;
  bool keywordSeen = false;
  std::vector<std::string> names;
  for (const ParameterSpec &p : parameters)
    names.push_back(p.name);
  for (const ast::Argument &argument : arguments) {
    std::string name;
    Span span = argument.keyword ? argument.keyword->span : argument.value->span;
    if (argument.keyword) {
      keywordSeen = true;
      name = argument.keyword->text;
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        auto &d = diagnostics.report(Diag::UnknownArgument, span, {callee, name});
        if (!d.suggest(span, name, names) && name == "activation")
          d.help("an activation is a layer of its own: " + callee + "(...) -> relu");
        std::string all;
        for (const std::string &n : names)
          all += (all.empty() ? "" : ", ") + n;
        d.note("`" + callee + "` takes " + (all.empty() ? "no arguments" : all));
        bound.good = false;
        continue;
      }
    } else {
      if (keywordSeen) {
        auto &d = diagnostics.report(Diag::ArgumentOrder, span);
        auto isFree = [&](const std::string &n) {
          return !bound.given.count(n) && std::none_of(arguments.begin(), arguments.end(), [&](auto &a) { return a.keyword && a.keyword->text == n; });
        };
        auto free = std::find_if(names.begin() + std::min(positional, names.size()), names.end(), isFree);
        if (free != names.end()) {
          Span before = span;
          before.length = 0;
          d.fix(before, *free + "=", "`" + *free + "` is the next one that has no value: write " + *free + "=...");
          positional = size_t(free - names.begin()) + 1;
        }
        bound.good = false;
        continue;
      }
      if (positional >= names.size()) {
        auto &d = diagnostics.report(Diag::TooManyArguments, span,
                                     {callee, names.empty() ? "no arguments" : "at most " + plural(names.size(), "argument"), std::to_string(arguments.size())});
        std::string all;
        for (const std::string &n : names)
          all += (all.empty() ? "" : ", ") + n;
        d.note(names.empty() ? "`" + callee + "` stands alone, without parentheses or with empty ones" : "`" + callee + "` takes " + all);
        bound.good = false;
        break;
      }
      name = names[positional++];
    }
    if (!bound.given.emplace(name, &argument).second) {
      diagnostics.report(Diag::DuplicateArgument, span, {name})
          .label(span, "here again")
          .secondary(bound.given[name]->value->span, "`" + name + "` has this value already")
          .help("leave one of the two out");
      bound.good = false;
    }
  }
  for (const ParameterSpec &p : parameters)
    if (p.required && !bound.given.count(p.name)) {
      if (bound.good) {
        auto &d = diagnostics.report(Diag::MissingArgument, at, {callee, p.name});
        std::string all;
        for (const ParameterSpec &q : parameters)
          if (q.required)
            all += (all.empty() ? "" : ", ") + q.name;
        d.help("write `" + callee + "(" + all + ")`");
      }
      bound.good = false;
      break;
    }
  return bound;
}

const Value *CallArguments::find(const std::string &name) const {
  auto it = values.find(name);
  return it == values.end() ? nullptr : &it->second;
}

void CallArguments::fix(Diagnostic &d, const std::string &name, const std::string &value, const std::string &help) const {
  if (const Value *given = find(name)) {
    d.fix(given->span, value, help);
    return;
  }
  Span end = at; // the call with its arguments; where it goes on in the next line its `)` is not here
  std::string line = at.file ? lineText(*at.file, at.line) : "";
  size_t last = at.column + at.length - 2;
  bool whole = last < line.size() && line[last] == ')';
  end.column += at.length - 1;
  end.length = 0;
  d.fix(whole ? end : Span(), (whole && line[last - 1] == '(' ? "" : ", ") + name + "=" + value, help);
}

Span CallArguments::spanOf(const std::string &name) const {
  const Value *value = find(name);
  return value ? value->span : at;
}

Diagnostic *CallArguments::wrong(const std::string &name, const std::string &expected) {
  bad = true;
  const Value *value = find(name);
  if (!value || value->bad())
    return nullptr;
  return &diagnostics.report(Diag::WrongType, value->span, {"`" + name + "` of " + callee, expected, describe(*value)});
}

Diagnostic *CallArguments::wrongWord(const std::string &name, const std::string &expected, const std::vector<std::string> &words) {
  Diagnostic *d = wrong(name, expected);
  const Value *value = find(name);
  if (d && value->kind == Value::Kind::String && std::find(words.begin(), words.end(), value->text) != words.end())
    d->fix(value->span, value->text, "`" + value->text + "` is a word of the language and stands without quotes");
  return d;
}

std::optional<int64_t> CallArguments::extent(const Value &value, const std::string &what, int64_t least, int64_t most) {
  if (value.number < double(least) || value.number > double(most) || value.number != double(int64_t(value.number))) {
    bad = true;
    diagnostics.report(Diag::Extent, value.span, {what, "a whole number from " + std::to_string(least) + " to " + std::to_string(most)})
        .label(value.span, "this is " + numberText(value.number));
    return std::nullopt;
  }
  return int64_t(value.number);
}

int64_t CallArguments::integer(const std::string &name, int64_t otherwise, int64_t least, int64_t most) {
  const Value *value = find(name);
  if (!value)
    return otherwise;
  if (value->kind != Value::Kind::Number) {
    wrong(name, "a whole number");
    return otherwise;
  }
  return extent(*value, name, least, most).value_or(otherwise);
}

Size2 CallArguments::size(const std::string &name, Size2 otherwise) {
  const Value *value = find(name);
  if (!value)
    return otherwise;
  if (value->kind == Value::Kind::Number) {
    auto side = extent(*value, name, 1, shape::maxExtent);
    return side ? Size2{*side, *side} : otherwise;
  }
  if (value->kind != Value::Kind::Size) {
    Diagnostic *d = wrong(name, "a number or a size such as 3x3");
    bool pair = value->kind == Value::Kind::List && value->items.size() == 2 && value->items[0].isInteger() && value->items[1].isInteger();
    if (d && pair)
      d->fix(value->span, numberText(value->items[0].number) + "x" + numberText(value->items[1].number), "a size is written HEIGHTxWIDTH, or (height, width)");
    return otherwise;
  }
  Value h = value->items[0], w = value->items[1];
  h.span = w.span = value->span;
  auto height = extent(h, name + " height", 1, shape::maxExtent), width = extent(w, name + " width", 1, shape::maxExtent);
  return height && width ? Size2{*height, *width} : otherwise;
}

bool CallArguments::boolean(const std::string &name, bool otherwise) {
  const Value *value = find(name);
  if (!value)
    return otherwise;
  if (value->kind != Value::Kind::Bool) {
    Diagnostic *d = wrong(name, "true or false");
    if (d && value->kind == Value::Kind::Number && (value->number == 0 || value->number == 1))
      d->fix(value->span, value->number ? "true" : "false", std::string("write ") + (value->number ? "true" : "false"));
    return otherwise;
  }
  return value->number != 0;
}

double CallArguments::real(const std::string &name, double otherwise, double least, double most, const char *range) {
  const Value *value = find(name);
  if (!value)
    return otherwise;
  if (value->kind != Value::Kind::Number) {
    wrong(name, "a number");
    return otherwise;
  }
  if (!(value->number >= least && value->number <= most)) {
    bad = true;
    diagnostics.report(Diag::Extent, value->span, {name, range}).label(value->span, "this is " + numberText(value->number));
    return otherwise;
  }
  return value->number;
}

std::string CallArguments::word(const std::string &name, const std::vector<std::string> &known) {
  const Value *value = find(name);
  if (!value)
    return known.front();
  if (value->kind == Value::Kind::Word && std::find(known.begin(), known.end(), value->text) != known.end())
    return value->text;
  std::string choices;
  for (const std::string &k : known)
    choices += (choices.empty() ? "" : " or ") + k;
  wrongWord(name, choices, known);
  return known.front();
}

const std::vector<std::string> &initNames() {
  static const std::vector<std::string> names = {"he_normal",  "he_uniform", "xavier_normal", "xavier_uniform", "lecun_normal", "orthogonal",
                                                 "normal",     "uniform",    "zeros",         "ones",           "constant"};
  return names;
}

Init CallArguments::init(const std::string &name, Init otherwise) {
  const Value *value = find(name);
  if (!value)
    return otherwise;
  bool word = value->kind == Value::Kind::Word || value->kind == Value::Kind::Call;
  if (!word) {
    wrongWord(name, "a way to initialise, such as he_normal", initNames());
    return otherwise;
  }
  const auto &names = initNames();
  if (std::find(names.begin(), names.end(), value->text) == names.end()) {
    bad = true;
    auto &d = diagnostics.report(Diag::UnknownChoice, value->span, {"init", value->text});
    d.suggest(value->span, value->text, names);
    return otherwise;
  }
  Init init{value->text, {}};
  for (const Value &item : value->items)
    if (item.kind == Value::Kind::Number)
      init.args.push_back(item.number);
  bool takesNumber = init.kind == "normal" || init.kind == "uniform" || init.kind == "constant";
  if (init.args.size() != value->items.size() || init.args.size() != size_t(takesNumber)) {
    bad = true;
    diagnostics.report(Diag::EntryValue, value->span, {"init", takesNumber ? init.kind + "(number)" : init.kind + " without arguments"});
    return otherwise;
  }
  return init;
}

} // namespace cnnc
