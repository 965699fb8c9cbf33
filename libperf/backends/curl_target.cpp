// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/curl_target.hpp"

#include <unistd.h>

#include <new>
#include <system_error>
#include <utility>

#include "libperf/base/error.hpp"

namespace perf::backends {
namespace {

long VersionOf(const HttpConfig& config) noexcept {
  const bool tls = config.base.scheme == "https";
  if (config.version == HttpVersion::k11) return CURL_HTTP_VERSION_1_1;
  if (config.version == HttpVersion::k2 && !tls) return CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
  return tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
}

void SetText(CURL* easy, CURLoption option, const std::string& value) {
  if (!value.empty()) curl_easy_setopt(easy, option, value.c_str());
}

void CheckFile(const std::string& path, const char* what) {
  if (!path.empty() && ::access(path.c_str(), R_OK) != 0) {
    throw ConfigError(std::string(what) + " '" + path + "' cannot be read");
  }
}

/// Throws rather than to fall back to less than was asked for.
void CheckFeatures(const HttpConfig& config) {
  const curl_version_info_data& curl = *curl_version_info(CURLVERSION_NOW);
  const bool tls = config.base.scheme == "https";
  const auto has = [&](int feature) { return (curl.features & feature) != 0; };
  if (tls && !has(CURL_VERSION_SSL)) throw ConfigError("this libcurl has no TLS");
  if (config.version != HttpVersion::k2) return;
  if (!has(CURL_VERSION_HTTP2)) throw ConfigError("this libcurl has no HTTP/2");
  // curl#10634: from 7.88 until 8.0 each reuse of such a connection fails.
  if (!tls && curl.version_num >= 0x075800 && curl.version_num < 0x080000) {
    throw ConfigError(std::string("libcurl ") + curl.version +
                      " cannot reuse HTTP/2 connections without TLS; use https or HTTP/1.1");
  }
}

}  // namespace

CurlTarget::CurlTarget(EventLoop& loop, HttpConfig c)
    : config(std::move(c)), preamble(config), multi(std::make_shared<CurlMulti>(loop)) {
  CheckFile(config.ca_file, "the CA file");
  CheckFile(config.cert_file, "the certificate");
  CheckFile(config.key_file, "the key");
  CheckFeatures(config);
  const Url& base = config.base;
  url = base.scheme + "://" + (base.host.empty() ? "localhost" : base.Authority());
  whole_url = !config.proxy.empty() && base.scheme == "http";
  if (config.via_port != 0) {
    const std::string there = "::127.0.0.1:" + std::to_string(config.via_port);
    connect_to.reset(curl_slist_append(nullptr, there.c_str()));
    if (connect_to == nullptr) throw std::bad_alloc();
  }
  parsed_url.reset(curl_url());
  if (parsed_url == nullptr) throw std::bad_alloc();
  if (curl_url_set(parsed_url.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    throw ConfigError("libcurl does not understand the URL " + url);
  }
}

CURL* CurlTarget::MakeEasy(char* error_buffer) {
  CURL* easy = curl_easy_init();
  if (easy == nullptr) throw std::bad_alloc();
  multi->Prepare(easy);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_buffer);
  if (whole_url) {
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  } else {
    curl_easy_setopt(easy, CURLOPT_CURLU, parsed_url.get());  // saves a tenth of a small request
  }
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, kUserAgent);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, VersionOf(config));
  // For a connection that may carry many streams it is worth waiting until that is known.
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  // "" beats the environment: only what the scenario names is asked.
  curl_easy_setopt(easy, CURLOPT_PROXY, config.proxy.c_str());
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, config.verify ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, config.verify ? 2L : 0L);
  if (!config.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  SetText(easy, CURLOPT_CAINFO, config.ca_file);
  SetText(easy, CURLOPT_SSLCERT, config.cert_file);
  SetText(easy, CURLOPT_SSLKEY, config.key_file);
  if (connect_to != nullptr) {
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to.get());
  } else {
    SetText(easy, CURLOPT_UNIX_SOCKET_PATH, config.unix_socket);
  }
  return easy;
}

std::string CurlErrorText(CURL* easy, CURLcode result, const char* error_buffer) {
  std::string text = error_buffer[0] != '\0' ? error_buffer : curl_easy_strerror(result);
  // What curl makes of the alert that our own certificate has expired; of the server's it tells
  // more.
  if (text == "SSL certificate verification failed") {
    text += ": certificate expired, says the server of ours";
  }
  long reason = 0;  // since curl 8 "Could not connect to server" may be all that the text says
  if (result == CURLE_COULDNT_CONNECT &&
      curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &reason) == CURLE_OK && reason != 0) {
    const std::string words = std::system_category().message(static_cast<int>(reason));
    if (text.find(words) == std::string::npos) text += ": " + words;
  }
  return text;
}

}  // namespace perf::backends
