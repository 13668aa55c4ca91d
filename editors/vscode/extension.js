// Starts `cnnc lsp` for .cnn files.
// In: the setting cnn.server.  Out: a client of the language server, until the extension ends.
"use strict";
const vscode = require("vscode");

let client;

function activate(context) {
  let languageclient;
  try {
    languageclient = require("vscode-languageclient/node");
  } catch (error) {
    vscode.window.showInformationMessage("cnn: colours alone; `npm install` in the extension's folder brings the language server's client");
    return;
  }
  const server = { command: vscode.workspace.getConfiguration("cnn").get("server"), args: ["lsp"] };
  client = new languageclient.LanguageClient("cnn", "cnnc", server, { documentSelector: [{ scheme: "file", language: "cnn" }] });
  context.subscriptions.push(client);
  client.start().catch((error) => vscode.window.showErrorMessage(`cnn: ${server.command} lsp does not start: ${error.message}`));
}

function deactivate() {
  return client && client.stop();
}

module.exports = { activate, deactivate };
