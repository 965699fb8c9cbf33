// SPDX-License-Identifier: Apache-2.0
#pragma once

struct pg_cancel;

namespace perf::backends {

/// Sends a cancel request for what `cancel` names, and frees it. PQcancel blocks and knows no
/// deadline, so it runs on a short-lived thread of its own; requests beyond the 64 that wait
/// there are dropped: then the server is not answering, and a cancel would not reach it either.
/// Thread safety: any thread. Never blocks. Null is ignored.
void CancelLater(pg_cancel* cancel) noexcept;

}  // namespace perf::backends
