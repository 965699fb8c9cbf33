// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/random.hpp"

namespace perf::load {

/// The columns of a data set, in the order of its rows' cells.
struct DataColumns {
  std::size_t data_set = 0;  // index into Scope::rows
  std::vector<std::string> names;
};

/// What names mean inside `${…}` of one scenario, filled while it is parsed.
/// Constants (`vars.x`) are known at once; captures and `set` names get a slot of Scope::values.
/// Thread safety: none while it is filled; const use afterwards by any thread.
class PERF_EXPORT Symbols {
 public:
  void AddConstant(std::string name, Json value);  // "vars.guests"
  void AddDataSet(std::string name, DataColumns columns);
  /// The slot of a captured or set name; the same for the same name.
  std::size_t AddSlot(const std::string& name);

  const Json* Constant(std::string_view name) const;
  std::optional<std::size_t> Slot(std::string_view name) const;
  const DataColumns* DataSet(std::string_view name) const;
  std::size_t Slots() const noexcept { return slots_.size(); }
  std::vector<std::string_view> AllNames() const;  // for "did you mean"
  /// Whether `${name}` means something of its own (`uuid`, `seq`, `rand.int`, …), so that no
  /// capture, `set` name or data set may take it.
  static bool IsReserved(std::string_view name) noexcept;

 private:
  std::map<std::string, Json, std::less<>> constants_;
  std::map<std::string, std::size_t, std::less<>> slots_;
  std::map<std::string, DataColumns, std::less<>> data_sets_;
  std::set<std::string> columns_;  // "dataset.column", for AllNames
};

/// What `${…}` is evaluated against: one iteration of one flow.
/// Lifetime: the runner owns it; rows point into the data sets of the scenario.
struct Scope {
  Random* random = nullptr;
  std::int64_t user_id = 0;
  std::int64_t iteration = 0;  // of this user
  std::int64_t seq = 0;      // of the run: unique, counting from 0 in the order of intended starts
  std::vector<Json> values;  // by slot; null until captured or set
  std::vector<const std::vector<std::string>*> rows;  // by data set; null where none was drawn
};

/// One `${…}` expression. Forms: `vars.x`, a captured or set `name`, either with a JSON pointer
/// behind it (`name/rows/0/lang`), `dataset.column`, `rand.int(a,b)`, `rand.zipf(n,s)`,
/// `rand.choice(a,b,…)`, `uuid` (RFC 4122 version 4), `seq`, `user.id`, `iteration`; arguments
/// are numbers or constants, those of `rand.choice` also words or one constant that is a list.
/// What is not there (yet) is null, and "" as text.
class Expression {
 public:
  virtual ~Expression();
  virtual Json Evaluate(const Scope& scope) const = 0;
  /// Appends the text form; cheaper than Evaluate where no copy is needed.
  virtual void Append(const Scope& scope, std::string& out) const = 0;
  /// Appends the JSON text of what Evaluate returns.
  virtual void AppendJson(const Scope& scope, std::string& out) const = 0;
};

/// Text with `${…}` in it, compiled once and rendered per step. `$${` stands for a literal `${`.
/// Thread safety: Render is const. Lifetime: independent of Symbols after Compile, but slots and
/// data sets of its Scope must be of the same scenario.
class PERF_EXPORT Template {
 public:
  Template();  // empty text
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();
  /// Throws: TemplateError for a malformed or unknown expression.
  static Template Compile(std::string_view text, const Symbols& symbols);

  bool IsConstant() const noexcept;
  /// Requires: IsConstant().
  const std::string& Constant() const noexcept;
  /// Replaces `out`, keeping its capacity.
  void Render(const Scope& scope, std::string& out) const;
  void Append(const Scope& scope, std::string& out) const;
  /// The value of a template that is one expression and nothing else keeps its type; any other
  /// is its text.
  Json Evaluate(const Scope& scope) const;
  /// Appends Evaluate's value as JSON text. Bytes that are not UTF-8 become U+FFFD.
  void AppendJson(const Scope& scope, std::string& out) const;

 private:
  struct Part {
    std::string literal;
    std::unique_ptr<Expression> expression;
  };
  std::vector<Part> parts_;
  std::string constant_;       // what follows the last part; the whole text without parts
  std::optional<Json> value_;  // of a text that is one constant expression and nothing else
  bool sole_ = false;          // one expression and nothing else
  friend class JsonTemplate;
};

/// Says what is wrong with a template and where in its text (offset in bytes; of a JsonTemplate:
/// in the text of the string that the message names).
class PERF_EXPORT TemplateError : public Error {
 public:
  TemplateError(std::size_t offset, const std::string& message, std::string suggestion = {});
  ~TemplateError() override;
  std::size_t Offset() const noexcept { return offset_; }
  const std::string& Suggestion() const noexcept { return suggestion_; }

 private:
  std::size_t offset_;
  std::string suggestion_;
};

/// A JSON document whose strings and names are templates, rendered to JSON text with proper
/// escapes.
/// A leaf that is one expression and nothing else keeps the expression's type.
class PERF_EXPORT JsonTemplate {
 public:
  JsonTemplate();
  JsonTemplate(JsonTemplate&&) noexcept;
  JsonTemplate& operator=(JsonTemplate&&) noexcept;
  ~JsonTemplate();
  /// Throws: TemplateError.
  static JsonTemplate Compile(const Json& document, const Symbols& symbols);
  /// Replaces `out`, keeping its capacity.
  void Render(const Scope& scope, std::string& out) const;

 private:
  struct Piece {
    std::string literal;
    Template value;
  };
  struct Compiler;
  std::vector<Piece> pieces_;
  std::string tail_;
};

}  // namespace perf::load
