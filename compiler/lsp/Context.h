// What stands around a place in a text, by its words and signs alone: half-typed text has no syntax tree.
// In: text and an offset.  Out: the word there, the call and the block that enclose it.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace cnnc {

struct Context {
  enum class Place {
    File,     ///< where definitions begin
    Layers,   ///< where a layer or a statement begins
    Entry,    ///< in a data, train or tune block, where the name of an entry begins
    Value,    ///< behind `=`: of an entry, a param, or in a scalar program
    Argument, ///< in the parentheses of a call, where an argument begins
    Keyword,  ///< in a call, behind `NAME=`
    Tensors,  ///< in a train block, where a part of the network is named: in freeze, and behind the `for` of a load
    Nothing,  ///< in a comment or a string
  };
  Place place = Place::File;
  std::string definition;      ///< the word that opened the outermost braces: network, block, data, train, tune, optimizer
  std::string entry;           ///< Value: the name before `=`; Keyword: the argument's name
  std::string callee;          ///< the word before the innermost parenthesis
  std::string calleeEntry;     ///< the entry whose value the call is in
  std::set<std::string> given; ///< the arguments' names that the call has already
  bool member = false;         ///< behind `in.`
  std::string path;            ///< Tensors: "basic1." in front of the last word
  bool augment = false;        ///< in the braces of augment
};

/// In front of `offset`.
Context contextAt(const std::string &text, size_t offset);

/// The word that `offset` lies in or at the end of; empty: none.
struct WordAt {
  std::string text;
  size_t begin = 0;
};
WordAt wordAt(const std::string &text, size_t offset);

/// The offset behind the bracket that closes the one at or behind `open`; the end of the text where none does.
size_t closingEnd(const std::string &text, size_t open);

} // namespace cnnc
