// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "libperf/base/export.hpp"

namespace perf::backends {

/// Looks at the files of a target's TLS before anything is started: libraries name them late, by
/// connection, and not always rightly. All: "" where the file is good, otherwise a sentence with
/// its path, what is wrong and what would be right.
/// Thread safety: pure functions of the files.

/// A PEM file of at least one certificate (and anything else beside them).
PERF_EXPORT std::string CertificateFault(const std::string& path);
/// A PEM file with a private key that is not encrypted and belongs to the first certificate of
/// `certificate_path`; both may be one file.
PERF_EXPORT std::string KeyFault(const std::string& path, const std::string& certificate_path);

}  // namespace perf::backends
