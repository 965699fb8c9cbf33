// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include "libperf/base/units.hpp"
#include "libperf/base/url.hpp"

namespace perf::service {

std::optional<Address> ParseAddress(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  const auto port = ParseInteger(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65'535 || text[colon + 1] == '+') return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  Address address{std::string(host), static_cast<std::uint16_t>(*port), false};
  if (address.host == "localhost") address.host = "127.0.0.1";
  in6_addr bytes{};
  const int family = bracketed ? AF_INET6 : AF_INET;
  if (::inet_pton(family, address.host.c_str(), &bytes) != 1) return std::nullopt;
  address.loopback = IsLoopback(address.host);
  return address;
}

std::string Text(const Address& address) {
  const bool six = address.host.find(':') != std::string::npos;
  return six ? fmt::format("[{}]:{}", address.host, address.port)
             : fmt::format("{}:{}", address.host, address.port);
}

}  // namespace perf::service
