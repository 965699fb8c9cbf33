// SPDX-License-Identifier: Apache-2.0
// The reply parser: a reply means the same however the network cuts it into pieces.
#include "libperf/backends/http1_parser.hpp"

#include <string>
#include <utility>
#include <vector>

#include "tests/fuzz/require.hpp"

using perf::fuzz::Require;

namespace {

struct Outcome {
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body, error;
  int status = 0;
  bool failed = false, finished = false, keep = false;
  std::size_t used = 0;
  bool operator==(const Outcome&) const = default;
};

using perf::backends::Http1Parser;

Outcome Read(Http1Parser& parser, bool with_fields, std::string_view bytes, bool to_head,
             std::size_t piece) {
  Outcome outcome;
  Http1Parser::Sink sink{.body = &outcome.body, .max_body = 1000};
  if (with_fields) sink.fields = &outcome.fields;
  parser.Start(to_head, sink);
  while (outcome.used < bytes.size() && !parser.Finished()) {
    const std::string_view part = bytes.substr(outcome.used, piece);
    const std::size_t taken = parser.Feed(part);
    Require(taken <= part.size(), "takes no more than it was given");
    Require(taken == part.size() || parser.Finished(), "takes all unless it is finished");
    outcome.used += taken;
  }
  if (!parser.Finished()) parser.FeedEnd();
  Require(parser.Finished(), "the end of the stream ends the reply");
  Require(parser.Failed() == !parser.Error().empty(), "an error says why");
  Require(parser.Error().size() <= 400, "an error is short");
  Require(outcome.body.size() <= 1000 && outcome.body.size() <= parser.BodyBytes(),
          "body is bounded");
  outcome.status = parser.Status();
  outcome.failed = parser.Failed();
  outcome.finished = parser.Finished();
  outcome.keep = parser.KeepAlive();
  Require(!(outcome.failed && outcome.keep), "a failed connection is not used again");
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const bool to_head = (data[0] & 1) != 0;
  const std::size_t piece = 1 + data[0] / 2;
  const std::string_view bytes = perf::fuzz::Text(data + 1, size - 1);
  const perf::backends::Http1Limits limits{.line = 512, .head = 4096, .fields = 20, .interim = 3};
  Http1Parser parser(limits);
  Http1Parser another(limits);
  const Outcome whole = Read(parser, true, bytes, to_head, bytes.size());
  const Outcome cut = Read(another, true, bytes, to_head, piece);
  Require(whole.failed == cut.failed, "cutting does not change whether a reply is good");
  // The excerpt in a message, and what was read before a failure, may differ.
  if (!whole.failed) Require(whole == cut, "cutting does not change a reply");
  // A parser that knows the head from before reads it as one that does not.
  Read(parser, false, bytes, !to_head, bytes.size());
  Outcome first = Read(parser, false, bytes, to_head, bytes.size());
  Require(first == Read(parser, false, bytes, to_head, bytes.size()),
          "a known head changes nothing");
  first.fields = whole.fields;
  Require(first == whole, "what is kept of a head changes nothing");
  return 0;
}
