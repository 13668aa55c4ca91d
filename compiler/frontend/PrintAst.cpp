// The syntax tree as text, for --emit=ast: what the file says in one normal form, itself valid .cnn.
// In: a source file.  Out: text, or diagnostics.
#include "compiler/frontend/BigStack.h"
#include "compiler/frontend/Frontend.h"
#include "compiler/frontend/Parse.h"
#include "compiler/frontend/Value.h"

namespace cnnc {
namespace {

class Printer {
public:
  std::string file(const ast::File &file);

private:
  static std::string quoted(const std::string &text);
  std::string expression(const ast::Expr &e);
  std::string arguments(const std::vector<ast::Argument> &list);
  std::string parameters(const std::vector<ast::Parameter> &list);
  void layers(const ast::Layers &list);
  void body(const ast::Layers &list);
  void step(const ast::Step &s);
  void section(const char *name, const ast::Section &section);
  void program(const ast::Program &program);
  void line(const std::string &text) {
    out += std::string(2 * depth, ' ') + arrow + text + "\n";
    arrow.clear();
  }

  std::string out, arrow;
  size_t depth = 0;
};

std::string Printer::quoted(const std::string &text) {
  std::string out = "\"";
  for (char c : text)
    out += (c == '"' || c == '\\' ? std::string("\\") : std::string()) + c;
  return out + "\"";
}

std::string Printer::expression(const ast::Expr &e) {
  using Kind = ast::Expr::Kind;
  switch (e.kind) {
  case Kind::Number: return numberText(e.number);
  case Kind::Bool: return e.number ? "true" : "false";
  case Kind::String: return quoted(e.text);
  case Kind::Size: return expression(*e.items[0]) + "x" + expression(*e.items[1]);
  case Kind::Name:
  case Kind::Member: return e.text;
  case Kind::Call: return e.text + "(" + arguments(e.arguments) + ")";
  case Kind::Tuple: return "(" + arguments(e.arguments) + ")";
  case Kind::Unary: return "(" + e.text + (e.text == "not" ? " " : "") + expression(*e.items[0]) + ")";
  case Kind::Binary: return "(" + expression(*e.items[0]) + " " + e.text + " " + expression(*e.items[1]) + ")";
  case Kind::Select: return "(" + expression(*e.items[1]) + " if " + expression(*e.items[0]) + " else " + expression(*e.items[2]) + ")";
  case Kind::List: break;
  }
  std::string list = "[";
  for (const ast::ExprPtr &item : e.items)
    list += (list.size() > 1 ? ", " : "") + expression(*item);
  return list + "]";
}

std::string Printer::arguments(const std::vector<ast::Argument> &list) {
  std::string text;
  for (const ast::Argument &a : list)
    text += (text.empty() ? "" : ", ") + (a.keyword ? a.keyword->text + "=" : "") + expression(*a.value);
  return text;
}

std::string Printer::parameters(const std::vector<ast::Parameter> &list) {
  std::string text;
  for (const ast::Parameter &p : list)
    text += (text.empty() ? "" : ", ") + p.name.text + (p.value ? "=" + expression(*p.value) : "");
  return "(" + text + ")";
}

void Printer::layers(const ast::Layers &list) {
  for (const ast::Step &s : list) {
    arrow = s.beginsStatement ? "" : "-> ";
    step(s);
  }
}

void Printer::body(const ast::Layers &list) {
  ++depth;
  layers(list);
  --depth;
}

void Printer::step(const ast::Step &s) {
  using Kind = ast::Step::Kind;
  auto braces = [&](const std::string &head) {
    line(head + " {");
    body(s.bodies[0]);
    line("}");
  };
  switch (s.kind) {
  case Kind::Layer:
    return line((s.label ? s.label->text + ": " : "") + s.name.text + (s.hasArguments ? "(" + arguments(s.arguments) + ")" : ""));
  case Kind::Residual:
    braces("residual");
    if (s.hasShortcut) {
      line("shortcut " + (s.condition ? "if " + expression(*s.condition) + " " : std::string()) + "{");
      body(s.bodies[1]);
      line("}");
    }
    return;
  case Kind::Gate: return braces("gate");
  case Kind::Repeat: return braces("repeat " + expression(*s.value));
  case Kind::For: return braces("for " + s.name.text + " in " + expression(*s.value));
  case Kind::Let: return line("let " + s.name.text + " = " + expression(*s.value));
  case Kind::Branch:
    line("branch " + s.name.text + " {");
    ++depth;
    for (const ast::Layers &way : s.bodies) {
      line("{");
      body(way);
      line("}");
    }
    --depth;
    return line("}");
  case Kind::If:
    for (size_t i = 0; i < s.bodies.size(); ++i) {
      std::string head = i < s.conditions.size() ? std::string(i ? "else if " : "if ") + expression(*s.conditions[i]) : "else";
      line(head + " {");
      body(s.bodies[i]);
      line("}");
    }
    return;
  case Kind::Unreadable: return; // printAst gives no text of such a file
  }
}

void Printer::section(const char *name, const ast::Section &section) {
  line(std::string(name) + " {");
  ++depth;
  for (const ast::Entry &entry : section.entries) {
    if (entry.isLoad) {
      line("load " + expression(*entry.value) + (entry.target ? " for " + entry.target->text : ""));
      continue;
    }
    if (entry.value) {
      line(entry.name.text + " = " + expression(*entry.value));
      continue;
    }
    line(entry.name.text + " {");
    body(entry.layers);
    line("}");
  }
  --depth;
  line("}");
}

void Printer::program(const ast::Program &program) {
  using Kind = ast::Program::Kind;
  std::string head = program.name.text + parameters(program.parameters);
  if (program.kind != Kind::Optimizer)
    return line((program.kind == Kind::Activation ? "activation " : "schedule ") + head + " = " + expression(*program.updates[0].value));
  line("optimizer " + head + " {");
  for (const ast::Update &update : program.updates)
    line(std::string("  ") + (update.isState ? "state " : "") + update.name.text + " = " + expression(*update.value));
  line("}");
}

std::string Printer::file(const ast::File &file) {
  for (const ast::Import &import : file.imports)
    line("import " + quoted(import.path));
  for (const ast::Param &param : file.params)
    line("param " + param.name.text + " = " + expression(*param.value));
  for (const ast::Program &p : file.programs)
    program(p);
  for (const ast::Block &block : file.blocks) {
    line("block " + block.name.text + parameters(block.parameters) + " {");
    body(block.layers);
    line("}");
  }
  for (const ast::Network &network : file.networks) {
    line("network " + network.name.text + " {");
    body(network.layers);
    line("}");
  }
  for (const ast::Section &s : file.data)
    section("data", s);
  for (const ast::Section &s : file.train)
    section("train", s);
  for (const ast::Section &s : file.tune)
    section("tune", s);
  return std::move(out);
}

} // namespace

std::string printAst(const std::shared_ptr<const SourceFile> &source, DiagnosticEngine &diagnostics) {
  std::string text;
  onBigStack([&] {
    if (auto file = parse(source, diagnostics); file && !file->incomplete)
      text = Printer().file(*file);
  });
  return text;
}

} // namespace cnnc
