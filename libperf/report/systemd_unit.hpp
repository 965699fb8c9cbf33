// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "libperf/base/export.hpp"

namespace perf::report {

/// A unit file for `perfctl serve`: told when it is ready, reloaded by SIGHUP, watched by a
/// watchdog, and shut in. Type=notify with ExecReload, for systemd 252 knows no notify-reload.
/// `program`: the absolute path of perfctl. `listen`: HOST:PORT for TCP besides the socket; empty:
/// the socket alone. Both are quoted as systemd asks.
PERF_EXPORT std::string SystemdUnit(const std::string& program, const std::string& listen);

}  // namespace perf::report
