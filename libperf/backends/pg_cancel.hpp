// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

struct pg_cancel;
struct pg_conn;

namespace perf::backends {

/// What a cancel request names. Shared with the thread that sends it.
using PgCancel = std::shared_ptr<pg_cancel>;

/// Of a session as it is now; null where there is none.
PgCancel CancelOf(const pg_conn* connection);

/// Sends a cancel request for what `cancel` names. PQcancel blocks and knows no deadline, so it
/// runs on a short-lived thread of its own; requests beyond the 64 that wait there are dropped:
/// then the server is not answering, and a cancel would not reach it either. One that waits there
/// already is not sent twice.
/// Thread safety: any thread. Never blocks. Null is ignored.
void CancelLater(const PgCancel& cancel) noexcept;

}  // namespace perf::backends
