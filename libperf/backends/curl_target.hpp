// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

#include "libperf/backends/curl_multi.hpp"
#include "libperf/backends/http_common.hpp"

namespace perf::backends {

struct CurlUrlFree {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};

struct CurlListFree {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};

/// What the handles of one curl connector share: where they go, and the multi that runs them.
/// Thread safety: none; belongs to its loop's thread. Lifetime: held by all that use it.
struct CurlTarget {
  /// Throws: ConfigError where this libcurl lacks what the configuration asks for.
  CurlTarget(EventLoop& loop, HttpConfig c);
  /// A handle with all that stays the same from request to request; `error_buffer` of
  /// CURL_ERROR_SIZE bytes outlives it. The caller cleans it up.
  CURL* MakeEasy(char* error_buffer);

  HttpConfig config;
  HttpPreamble preamble;
  std::shared_ptr<CurlMulti> multi;
  std::string url;  // without a path, user and password
  std::unique_ptr<CURLU, CurlUrlFree> parsed_url;
  std::unique_ptr<curl_slist, CurlListFree> connect_to;  // where not to the URL's host
  bool whole_url = false;  // a proxy that does not tunnel is asked for whole URLs
};

/// What went wrong in words, with the system's reason where this libcurl leaves it out.
std::string CurlErrorText(CURL* easy, CURLcode result, const char* error_buffer);

}  // namespace perf::backends
