// The server's table of requests.
// In: messages.  Out: replies; diagnostics after each change.
#include "compiler/lsp/Server.h"
#include "compiler/lsp/Features.h"

#include "llvm/Support/LSP/Logging.h"
#include "llvm/Support/LSP/Transport.h"
#include "llvm/Support/Program.h"

namespace cnnc {
namespace {

using llvm::json::Array;
using llvm::json::Object;
using llvm::json::Value;
using protocol::Callback;

class Server {
public:
  explicit Server(protocol::JSONTransport &transport) : transport(transport), handler(transport) {
    handler.method("initialize", this, &Server::initialize);
    handler.notification("initialized", this, &Server::initialized);
    handler.method("shutdown", this, &Server::shutdown);
    handler.notification("textDocument/didOpen", this, &Server::didOpen);
    handler.notification("textDocument/didChange", this, &Server::didChange);
    handler.notification("textDocument/didClose", this, &Server::didClose);
    handler.method("textDocument/hover", this, &Server::hover);
    handler.method("textDocument/completion", this, &Server::completion);
    handler.method("textDocument/definition", this, &Server::definition);
    handler.method("textDocument/formatting", this, &Server::formatting);
    handler.method("textDocument/inlayHint", this, &Server::inlayHint);
    handler.method("textDocument/codeAction", this, &Server::codeAction);
    handler.method("textDocument/documentSymbol", this, &Server::documentSymbol);
    publish = handler.outgoingNotification<Value>("textDocument/publishDiagnostics");
  }

  int run() {
    if (llvm::Error error = transport.run(handler)) {
      protocol::Logger::error("{0}", llvm::toString(std::move(error)));
      return 1;
    }
    return shut ? 0 : 1;
  }

private:
  void initialize(const protocol::InitializeParams &, Callback<Value> reply) {
    Object capabilities{
        {"textDocumentSync", Object{{"openClose", true}, {"change", int(protocol::TextDocumentSyncKind::Incremental)}}},
        {"completionProvider", Object{{"triggerCharacters", Array{".", "=", "(", ">"}}}},
        {"hoverProvider", true},
        {"definitionProvider", true},
        {"documentFormattingProvider", true},
        {"inlayHintProvider", true},
        {"codeActionProvider", Object{{"codeActionKinds", Array{"quickfix"}}}},
        {"documentSymbolProvider", true},
    };
    reply(Object{{"serverInfo", Object{{"name", "cnnc"}}}, {"capabilities", std::move(capabilities)}});
  }
  void initialized(const protocol::InitializedParams &) {}
  void shutdown(const protocol::NoParams &, Callback<std::nullptr_t> reply) {
    shut = true;
    reply(nullptr);
  }

  void didOpen(const protocol::DidOpenTextDocumentParams &params) {
    const auto &item = params.textDocument;
    documents.erase(item.uri.file().str());
    documents.emplace(item.uri.file().str(), Document(item.uri, item.text, item.version));
    report(item.uri);
  }
  void didChange(const protocol::DidChangeTextDocumentParams &params) {
    if (Document *document = find(params.textDocument.uri)) {
      document->change(params.contentChanges, params.textDocument.version);
      report(params.textDocument.uri);
    }
  }
  void didClose(const protocol::DidCloseTextDocumentParams &params) {
    documents.erase(params.textDocument.uri.file().str());
    publish(Object{{"uri", params.textDocument.uri}, {"diagnostics", Array()}});
  }
  void report(const protocol::URIForFile &uri) {
    const Document &document = *find(uri);
    std::vector<Report> reports = reportsOf(document); // the JSON borrows their text
    Array list;
    for (const Report &report : reports) {
      Value value = toJSON(report.diagnostic);
      (*value.getAsObject())["code"] = report.code;
      list.push_back(std::move(value));
    }
    publish(Object{{"uri", uri}, {"version", document.version}, {"diagnostics", std::move(list)}});
  }

  void hover(const protocol::TextDocumentPositionParams &params, Callback<Value> reply) {
    Document *document = find(params.textDocument.uri);
    auto found = document ? hoverAt(*document, params.position) : std::nullopt;
    reply(found ? toJSON(*found) : Value(nullptr));
  }
  void completion(const protocol::CompletionParams &params, Callback<protocol::CompletionList> reply) {
    Document *document = find(params.textDocument.uri);
    reply(document ? completionsAt(*document, params.position) : protocol::CompletionList());
  }
  void definition(const protocol::TextDocumentPositionParams &params, Callback<std::vector<protocol::Location>> reply) {
    Document *document = find(params.textDocument.uri);
    reply(document ? definitionsAt(*document, params.position) : std::vector<protocol::Location>());
  }
  /// Its options are not looked at: there is one format.
  void formatting(const protocol::DocumentSymbolParams &params, Callback<std::vector<protocol::TextEdit>> reply) {
    Document *document = find(params.textDocument.uri);
    reply(document ? formatOf(*document) : std::vector<protocol::TextEdit>());
  }
  void inlayHint(const protocol::InlayHintsParams &params, Callback<std::vector<protocol::InlayHint>> reply) {
    Document *document = find(params.textDocument.uri);
    reply(document ? hintsIn(*document, params.range) : std::vector<protocol::InlayHint>());
  }
  void codeAction(const protocol::CodeActionParams &params, Callback<std::vector<protocol::CodeAction>> reply) {
    Document *document = find(params.textDocument.uri);
    reply(document ? actionsAt(*document, params.range) : std::vector<protocol::CodeAction>());
  }
  void documentSymbol(const protocol::DocumentSymbolParams &params, Callback<std::vector<protocol::DocumentSymbol>> reply) {
    Document *document = find(params.textDocument.uri);
    reply(document ? symbolsOf(*document) : std::vector<protocol::DocumentSymbol>());
  }

  Document *find(const protocol::URIForFile &uri) {
    auto it = documents.find(uri.file().str());
    return it == documents.end() ? nullptr : &it->second;
  }

  protocol::JSONTransport &transport;
  protocol::MessageHandler handler;
  protocol::OutgoingNotification<Value> publish;
  std::map<std::string, Document> documents; ///< by path
  bool shut = false;
};

} // namespace

int serveEditor() {
  protocol::Logger::setLogLevel(protocol::Logger::Level::Error);
  llvm::sys::ChangeStdinToBinary();
  protocol::JSONTransport transport(stdin, llvm::outs());
  return Server(transport).run();
}

} // namespace cnnc
