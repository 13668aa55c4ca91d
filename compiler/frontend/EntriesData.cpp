// The data block, and what data and train blocks have in common.
// In: the section of the AST and the network that reads the images.  Out: Data.
#include "compiler/frontend/Entries.h"
#include "compiler/support/Spelling.h"

#include <algorithm>

namespace cnnc {
Entries::Table Entries::entriesOf(const ast::Section &section, const std::string &what, const std::vector<std::string> &known) {
  Table table;
  for (const ast::Entry &entry : section.entries) {
    const std::string &name = entry.name.text;
    if (entry.isLoad && what == "train")
      continue; // there may be several: loads() reads them
    if (entry.isLoad || std::find(known.begin(), known.end(), name) == known.end()) {
      auto &d = diagnostics.report(Diag::UnknownEntry, entry.name.span, {what, name});
      std::string all;
      for (const std::string &k : known)
        all += (all.empty() ? "" : ", ") + k;
      bool ofOptimizer = what == "train" && (name == "lr" || name == "learning_rate" || name == "momentum" || name == "weight_decay");
      if (entry.isLoad)
        d.help("it stands in the train block: train { load \"pretrained.safetensors\" }");
      else if (ofOptimizer)
        d.help("it is an argument of the optimizer: sgd(lr=0.1, momentum=0.9, weight_decay=5e-4)");
      else
        d.suggest(entry.name.span, name, known);
      d.note("it takes " + all);
      continue;
    }
    if (what == "train" && name == "load") {
      auto &d = diagnostics.report(Diag::EntryValue, entry.name.span, {"`load`", "written without `=`: load \"pretrained.safetensors\""});
      bool oneLine = entry.value && entry.value->span.line == entry.name.span.line;
      Span sign = entry.name.span;
      sign.length = oneLine ? entry.value->span.column - sign.column : 0;
      if (oneLine)
        d.fix(sign, "load ", "a file is loaded without `=`");
      continue;
    }
    if (!table.emplace(name, &entry).second) {
      diagnostics.report(Diag::DuplicateEntry, entry.name.span, {name}).secondary(table[name]->name.span, "the first one is here");
      continue;
    }
    if (name != "augment" && !entry.value) {
      diagnostics.report(Diag::EntryValue, entry.name.span, {"`" + name + "`", "a value: " + name + " = ..."});
      table.erase(name);
    }
  }
  return table;
}

Value Entries::valueOf(const ast::Entry &entry) { return evaluator.evaluate(*entry.value, globals, nullptr); }

void Entries::wrong(const ast::Expr &e, const std::string &name, const std::string &expected) {
  diagnostics.report(Diag::EntryValue, e.span, {"`" + name + "`", expected});
}

int64_t Entries::integer(const Table &table, const std::string &name, int64_t otherwise, int64_t least, int64_t most) {
  auto it = table.find(name);
  if (it == table.end())
    return otherwise;
  Value value = valueOf(*it->second);
  if (value.bad())
    return otherwise;
  bool good = value.kind == Value::Kind::Number && value.isInteger() && value.number >= double(least) && value.number <= double(most);
  if (!good) {
    diagnostics.report(Diag::EntryValue, value.span, {"`" + name + "`", "a whole number from " + std::to_string(least) + " to " + std::to_string(most)})
        .label(value.span, "this is " + describe(value));
    return otherwise;
  }
  return int64_t(value.number);
}

std::string Entries::string(const ast::Entry &entry) {
  Value value = valueOf(entry);
  if (value.kind == Value::Kind::String)
    return value.text;
  if (!value.bad())
    wrong(*entry.value, entry.name.text, "a string");
  return "";
}

std::string Entries::choose(const ast::Expr &e, const std::string &what, const std::vector<std::string> &known) {
  bool named = e.kind == ast::Expr::Kind::Name || e.kind == ast::Expr::Kind::Call;
  if (named && std::find(known.begin(), known.end(), e.text) != known.end())
    return e.text;
  std::string all;
  for (const std::string &k : known)
    all += (all.empty() ? "" : ", ") + k;
  if (e.kind == ast::Expr::Kind::String && std::find(known.begin(), known.end(), e.text) != known.end()) {
    diagnostics.report(Diag::EntryValue, e.span, {"`" + what + "`", "one of " + all}).fix(e.span, e.text, "a word of the language stands without quotes: " + e.text);
    return "";
  }
  if (!named) {
    wrong(e, what, "one of " + all);
    return "";
  }
  Span span = e.span;
  span.length = std::min<uint32_t>(span.length, uint32_t(e.text.size()));
  auto &d = diagnostics.report(Diag::UnknownChoice, span, {what, e.text});
  d.suggest(span, e.text, known);
  d.note("there are " + all);
  return "";
}

std::vector<double> Entries::numbers(const ast::Argument &argument, const std::string &name) {
  Value value = evaluator.evaluate(*argument.value, globals, nullptr);
  std::vector<double> list;
  if (value.bad())
    return list;
  std::vector<Value> items = value.kind == Value::Kind::List ? value.items : std::vector<Value>{value};
  for (const Value &item : items) {
    if (item.kind != Value::Kind::Number) {
      wrong(*argument.value, name, "a list of numbers");
      return {};
    }
    list.push_back(item.number);
  }
  return list;
}

std::optional<Data> Entries::data(const Network &network) {
  whole = !diagnostics.hasErrors();
  if (!definitions.data)
    return std::nullopt;
  Table table = entriesOf(*definitions.data, "data", entryNames("data"));
  Data data;
  data.span = definitions.data->span;
  for (auto &[name, entry] : table) {
    if (name == "root")
      data.root = string(*entry);
    else if (name == "resize")
      data.resize = choose(*entry->value, "resize", entryWords("data", "resize", definitions));
    else if (name == "train")
      data.train = source(*entry);
    else if (name == "test")
      data.test = source(*entry);
    else if (name == "val")
      validation(*entry, data);
    else if (name == "classes")
      classes(*entry, data, network);
    else if (name == "normalize")
      normalize(*entry, data, network);
    else
      augment(*entry, data);
  }
  return data;
}

std::optional<DataSource> Entries::source(const ast::Entry &entry) {
  DataSource source;
  source.reader = choose(*entry.value, "reader", readerNames());
  if (source.reader.empty())
    return std::nullopt;
  for (const ast::Argument &argument : entry.value->arguments) {
    Value value = evaluator.evaluate(*argument.value, globals, nullptr);
    if (value.bad())
      return std::nullopt;
    if (value.kind != Value::Kind::String) {
      wrong(*argument.value, source.reader, "given the names of files, as strings");
      return std::nullopt;
    }
    source.files.push_back(value.text);
  }
  if (source.reader == "csv" && source.files.size() != 1) {
    wrong(*entry.value, "csv", "given one file of lines PATH,LABEL");
    return std::nullopt;
  }
  if (source.reader == "npy" && source.files.size() != 1 && source.files.size() != 2) {
    wrong(*entry.value, "npy", "given two files, images and labels, or one NPZ archive with the members x and y");
    return std::nullopt;
  }
  constexpr size_t idxFiles = 2;
  if (source.reader == "idx" && source.files.size() != idxFiles) {
    wrong(*entry.value, "idx", "given two files, images and labels, and here " + std::string(source.files.size() == 1 ? "is " : "are ") + std::to_string(source.files.size()));
    return std::nullopt;
  }
  return source;
}

void Entries::validation(const ast::Entry &entry, Data &data) {
  if (entry.value->kind == ast::Expr::Kind::Name && entry.value->text == "none")
    return;
  if (entry.value->kind != ast::Expr::Kind::Call || entry.value->text != "split") {
    data.val = source(entry);
    return;
  }
  std::vector<double> part;
  for (const ast::Argument &argument : entry.value->arguments)
    if (argument.value->kind != ast::Expr::Kind::Name || argument.value->text != "stratified") // it always is
      for (double number : numbers(argument, "split"))
        part.push_back(number);
  if (part.size() == 1 && part[0] > 0 && part[0] < 1)
    data.valSplit = part[0];
  else
    wrong(*entry.value, "val", "split(part) with a part between 0 and 1, such as split(0.1), or a source of its own");
}

void Entries::classes(const ast::Entry &entry, Data &data, const Network &network) {
  Value value = valueOf(entry);
  if (value.bad())
    return;
  bool strings = value.kind == Value::Kind::List && std::all_of(value.items.begin(), value.items.end(), [](auto &v) { return v.kind == Value::Kind::String; });
  if (!strings) {
    wrong(*entry.value, "classes", "a list of names in quotes");
    return;
  }
  for (const Value &item : value.items)
    data.classes.push_back(item.text);
  if (network.classes && int64_t(data.classes.size()) != network.classes) {
    const Layer *last = &network.layers.back();
    while (std::holds_alternative<SoftmaxLayer>(last->body) && !last->inputs.empty())
      last = &network.layers[size_t(last->inputs[0])];
    diagnostics.report(Diag::ClassCount, entry.name.span, {std::to_string(data.classes.size()), std::to_string(network.classes)})
        .label(entry.name.span, std::to_string(data.classes.size()) + " names")
        .secondary(last->span, std::to_string(network.classes) + " outputs")
        .help("the last layer needs one unit per class");
  }
}

void Entries::normalize(const ast::Entry &entry, Data &data, const Network &network) {
  const ast::Expr &e = *entry.value;
  if (e.kind == ast::Expr::Kind::Name && (e.text == "auto" || e.text == "none")) {
    data.normalizeAuto = e.text == "auto";
    return;
  }
  bool given[2] = {false, false};
  if (e.kind == ast::Expr::Kind::Tuple)
    for (const ast::Argument &argument : e.arguments) {
      std::string name = argument.keyword ? argument.keyword->text : "";
      if (name != "mean" && name != "std")
        continue;
      auto list = numbers(argument, name);
      bool positive = name == "mean" || std::all_of(list.begin(), list.end(), [](double v) { return v > 0; });
      if (!positive)
        wrong(*argument.value, "std", "greater than 0");
      if (network.input.channels && !list.empty() && int64_t(list.size()) != network.input.channels)
        oneAChannel(*argument.value, list, network.input.channels);
      (name == "mean" ? data.mean : data.std) = list;
      given[name == "std"] = true;
    }
  if (!given[0] || !given[1] || e.arguments.size() != 2)
    wrong(e, "normalize", "auto, none, or (mean=[...], std=[...])");
}

void Entries::oneAChannel(const ast::Expr &e, const std::vector<double> &list, int64_t channels) {
  auto &d = diagnostics.report(Diag::NormalizeChannels, e.span, {plural(list.size(), "value"), plural(size_t(channels), "channel")});
  constexpr int64_t mostColours = 4;
  if (list.size() != 1 || channels > mostColours)
    return;
  std::string all;
  for (int64_t i = 0; i < channels; ++i)
    all += (i ? ", " : "") + numberText(list[0]);
  d.fix(e.span, "[" + all + "]", "one value a channel: [" + all + "]");
}

void Entries::augment(const ast::Entry &entry, Data &data) {
  if (entry.value) {
    wrong(*entry.value, "augment", "a pipeline in braces: augment { hflip -> shift(2) }");
    return;
  }
  std::vector<std::string> known;
  for (const AugmentationSpec &spec : augmentations())
    known.push_back(spec.name);
  for (const ast::Step &s : entry.layers) {
    auto spec = std::find_if(augmentations().begin(), augmentations().end(), [&](auto &a) { return s.name.text == a.name; });
    if (s.kind != ast::Step::Kind::Layer || spec == augmentations().end()) {
      if (s.kind == ast::Step::Kind::Unreadable)
        continue;
      auto &d = diagnostics.report(Diag::UnknownChoice, s.span, {"augmentation", s.kind == ast::Step::Kind::Layer ? s.name.text : "statement"});
      d.suggest(s.name.span, s.name.text, known);
      continue;
    }
    Augmentation augmentation{s.name.text, {}};
    for (const ast::Argument &argument : s.arguments)
      for (double number : numbers(argument, s.name.text))
        augmentation.args.push_back(number);
    if (augmentation.args.size() < spec->least || augmentation.args.size() > spec->most)
      diagnostics.report(Diag::EntryValue, s.span, {"`" + s.name.text + "`", "given " + (spec->least == spec->most ? plural(spec->least, "number") : std::to_string(spec->least) + " to " + plural(spec->most, "number"))});
    data.augment.push_back(augmentation);
  }
}

} // namespace cnnc
